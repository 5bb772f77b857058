"""A training's episodes in MLflow while it runs."""

import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from pipeline.provenance.git import origin_of
from pipeline.tracking.client import RunStatus, make_metrics, now
from pipeline.tracking.contents import Point, episode_points
from pipeline.tracking.faults import RECORD_SECONDS, REQUEST_SECONDS, Patience, TrackingError, warn
from pipeline.tracking.matching import close_abandoned, find_interrupted
from pipeline.tracking.pictures import Painter, picture_steps, pictures_every_n_episodes
from pipeline.tracking.presence import working
from pipeline.tracking.recording import Recorder

if TYPE_CHECKING:
    from mlflow.entities import Metric

    from ddpg.history import TrainingHistory

_BATCH_SECONDS = 5.0
_RETRY_SECONDS = 20.0
_LEAST_WAIT, _SHARE_OF_TRAINING = 20.0, 0.05


class LiveTraining:
    """Delivers a training's episodes to MLflow from a background thread: one parent run and one run per seed.

    Training never waits for it and never fails because of it. As a context manager it closes the runs as failed, or
    as killed, when training ends by an exception.

    MLflow's own asynchronous logging (3.17.2) would not do: it drops a batch that fails, prints a line for each with
    the server's address and password, and makes the process's end wait for all that is queued.

    Args:
        params: Contents of params.yaml.
        key: Names the training: if it was interrupted, its runs are resumed, and no points or pictures are doubled
            when its episodes are logged again. `None`: a new one.
    """

    def __init__(self, params: Mapping[str, Any], key: str | None = None) -> None:
        self._delivery = _Delivery(params, key or uuid.uuid4().hex)
        self._every_n_episodes = pictures_every_n_episodes(params)
        self._pictured: set[int] = set()
        self._queue: SimpleQueue[_Episode] = SimpleQueue()
        self._started = time.monotonic()
        self._close: Callable[[], None] = lambda: None
        self._reachable = True
        self._warned = False
        self._ended = Event()
        self._thread = Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Enter the context; the thread already runs."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the runs, unless `finish` or `fail` already did."""
        killed = kind is not None and issubclass(kind, (KeyboardInterrupt, SystemExit))
        self.fail("KILLED" if killed else "FAILED")

    def log_episode(self, seed: int, record: Mapping[str, Any], networks: "TrainingHistory | None" = None) -> None:
        """Queue an episode's record, with the columns of `train/episodes.csv`; returns at once.

        Args:
            seed: Whose episode it is.
            record: The fields of an `EpisodeRecord`.
            networks: A history whose last snapshot shows them after the episode; drawn every nth episode.
        """
        steps = []
        if networks and networks.snapshots:
            steps = picture_steps(record["episode"], self._every_n_episodes, is_first=seed not in self._pictured)
            self._pictured.add(seed)
        self._queue.put(_Episode(seed, dict(record), networks, steps, now()))

    def finish(self, results: Path, timings: Mapping[str, float] | None = None) -> None:
        """Deliver what is missing, record the stage from its files and close the runs; waits a bounded time.

        Args:
            results: The folder of result files, in the project's folder.
            timings: Wall times and rates, which only MLflow keeps.
        """
        self._end(lambda: self._delivery.finish(results, timings or {}))

    def fail(self, status: Literal["FAILED", "KILLED"] = "FAILED") -> None:
        """Close the runs of a training that did not end; waits a bounded time."""
        self._end(lambda: self._delivery.close(status))

    def _end(self, close: Callable[[], None]) -> None:
        if self._ended.is_set():
            return
        self._close = close
        share = _SHARE_OF_TRAINING * (time.monotonic() - self._started)
        seconds = min(RECORD_SECONDS, max(_LEAST_WAIT, share)) if self._reachable else REQUEST_SECONDS
        self._delivery.patience.end_in(seconds)
        self._ended.set()
        self._thread.join(seconds + REQUEST_SECONDS * self._reachable)
        if self._thread.is_alive():
            self._warn(TimeoutError(f"no answer within {seconds:g} s"))

    def _work(self) -> None:
        with self._warning(), working() as self._delivery.process:
            delay = 0.0
            while not self._ended.wait(delay):
                with self._warning():
                    self._deliver()
                    self._reachable = True
                delay = _BATCH_SECONDS if self._reachable else _RETRY_SECONDS
            self._deliver()
            self._close()

    def _deliver(self) -> None:
        self._delivery.send(_drain(self._queue))

    @contextmanager
    def _warning(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._reachable = False
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            warn("the training", error)


class _Episode(NamedTuple):
    seed: int
    record: dict[str, Any]
    networks: "TrainingHistory | None"
    picture_steps: list[int]
    timestamp: int


class _Delivery:
    """The runs of a training, and what they do not hold yet. A call that fails can be repeated."""

    def __init__(self, params: Mapping[str, Any], key: str) -> None:
        self.patience = Patience()
        self.process = ""
        self._params = params
        self._key = key
        self._started = now()
        self._recorder: Recorder | None = None
        self._parent: str | None = None
        self._children: dict[int, str] = {}
        self._held: dict[int, set[Point]] = {}
        self._metrics: dict[int, list[Metric]] = defaultdict(list)
        self._pictures: dict[tuple[int, int], TrainingHistory] = {}
        self._painter = Painter()

    def send(self, episodes: Iterable[_Episode]) -> None:
        """Send episodes, and what an earlier call did not come to send; opens the runs."""
        experiment = self._open()[0].experiment
        for seed, record, networks, steps, timestamp in episodes:
            points = [point for point in episode_points(record) if point not in self._held.get(seed, ())]
            self._metrics[seed] += make_metrics(points, timestamp)
            self._pictures |= {(seed, step): networks for step in steps if networks}
        for seed in list(self._metrics):
            experiment.add_metrics(self._children[seed], self._metrics[seed])
            del self._metrics[seed]
        # An interrupted training sent some before; and one that was not answered may have arrived all the same.
        present = {
            seed: experiment.pictured_steps(self._children[seed]) for seed in {seed for seed, _ in self._pictures}
        }
        for (seed, step), networks in list(self._pictures.items()):
            if step not in present[seed]:
                picture = self._painter.draw(networks, networks.snapshots[-1])
                experiment.add_picture(self._children[seed], step, picture)
            del self._pictures[seed, step]

    def finish(self, results: Path, timings: Mapping[str, float]) -> None:
        """Record the train stage from its files and close the runs."""
        recorder, parent = self._open()
        recorder.record_stage(parent, "train", results, timings)
        self.close("FINISHED")

    def close(self, status: RunStatus) -> None:
        """Close the runs."""
        recorder, parent = self._open()
        for run in (*self._children.values(), parent):
            recorder.experiment.close(run, status)

    def _open(self) -> tuple[Recorder, str]:
        """Open or resume the runs, as far as they are not open yet."""
        recorder = self._recorder = self._recorder or Recorder(self._params, self.patience, self.process)
        if self._parent is None:
            with suppress(TrackingError):  # what follows would say so
                close_abandoned()
            experiment = recorder.experiment
            interrupted = find_interrupted(experiment, self._params, self._key, self.process)
            parent = recorder.open_parent(origin_of(Path()), self._key, self._started, interrupted)
            self._children = experiment.children(parent)
            for child in self._children.values():
                experiment.client.update_run(child, "RUNNING")
            self._held = {seed: experiment.points(child) for seed, child in self._children.items()}
            self._parent = parent
        seeds = self._params["seeds"]
        if len(self._children) < len(seeds):
            # A request that was not answered in time may have opened one all the same.
            self._children |= recorder.experiment.children(self._parent)
        for seed in seeds:
            if seed not in self._children:
                self._children[seed] = recorder.open_child(self._parent, seed, self._started)
        return recorder, self._parent


def _drain(queue: SimpleQueue[_Episode]) -> Iterator[_Episode]:
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return
