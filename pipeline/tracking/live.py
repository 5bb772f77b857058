"""A training's episodes in MLflow while it runs."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from pipeline.provenance.git import origin_of
from pipeline.tracking.contents import Point, episode_points
from pipeline.tracking.faults import RECORD_SECONDS, REQUEST_SECONDS, Patience, warn
from pipeline.tracking.pictures import Painter, picture_steps, pictures_every_n_episodes
from pipeline.tracking.store import UNLOCKED, RunStatus, Store, make_metrics, now

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

    Args:
        params: Contents of params.yaml.
        key: Names the training: its runs are taken up if it was interrupted, and their points and pictures not doubled
            when its episodes are logged again. Nobody else may train by this key meanwhile. `None`: a new one.
    """

    def __init__(self, params: Mapping[str, Any], key: str | None = None) -> None:
        """Start the thread, which opens the runs."""
        self._params = params
        self._key = key or f"{UNLOCKED}{uuid.uuid4().hex}"
        self._started = now()
        self._results: Path | None = None
        self._timings: Mapping[str, float] = {}
        self._status: RunStatus = "FAILED"
        self._queue: SimpleQueue[tuple[int, dict[str, Any], dict[int, TrainingHistory], int]] = SimpleQueue()
        self._pending: dict[int, list[Metric]] = {}
        self._pictures: dict[tuple[int, int], TrainingHistory] = {}
        self._pictured: set[int] = set()
        self._painter = Painter()
        self._every_n_episodes = pictures_every_n_episodes(params)
        self._patience = Patience()
        self._store: Store | None = None
        self._parent: str | None = None
        self._children: dict[int, str] = {}
        self._held: dict[int, set[Point]] = {}
        self._shown: dict[int, set[int]] = {}
        self._reachable = True
        self._unsure = False
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
        pictures: dict[int, TrainingHistory] = {}
        if networks and networks.snapshots:
            steps = picture_steps(record["episode"], self._every_n_episodes, is_first=seed not in self._pictured)
            pictures = dict.fromkeys(steps, networks)
            self._pictured.add(seed)
        self._queue.put((seed, dict(record), pictures, now()))

    def finish(self, results: Path, timings: Mapping[str, float] | None = None) -> None:
        """Deliver what is missing, record the stage from its files and close the runs; waits a bounded time.

        Args:
            results: The folder of result files, in the project's folder.
            timings: Wall times and rates, which only MLflow keeps.
        """
        self._results = results
        self._timings = timings or {}
        self._end("FINISHED")

    def fail(self, status: Literal["FAILED", "KILLED"] = "FAILED") -> None:
        """Close the runs of a training that did not end; waits a bounded time."""
        self._end(status)

    def _end(self, status: RunStatus) -> None:
        if self._ended.is_set():
            return
        self._status = status
        trained = (now() - self._started) / 1000
        seconds = min(RECORD_SECONDS, max(_LEAST_WAIT, _SHARE_OF_TRAINING * trained))
        seconds = seconds if self._reachable else REQUEST_SECONDS
        self._patience.end_in(seconds)
        self._ended.set()
        self._thread.join(seconds + REQUEST_SECONDS * self._reachable)
        if self._thread.is_alive():
            self._warn(TimeoutError(f"no answer within {seconds:g} s"))

    def _work(self) -> None:
        delay = 0.0
        while not self._ended.wait(delay):
            self._attempt(self._deliver)
            delay = _BATCH_SECONDS if self._reachable else _RETRY_SECONDS
        self._attempt(self._close)

    def _attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
            self._reachable = True
        except Exception as error:
            self._reachable = False
            self._unsure = True
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            warn("the training", error)

    def _open(self) -> tuple[Store, str]:
        self._store = self._store or Store(self._params, self._patience)
        if self._parent is None and (interrupted := self._store.find_interrupted(self._key)):
            self._take_up(self._store, interrupted)
        self._parent = self._parent or self._store.open_parent(origin_of(Path()), self._started, self._key)
        if len(self._children) < len(self._params["seeds"]):
            # A request that was not answered in time may have made one all the same.
            self._children |= self._store.children(self._parent)
        for seed in self._params["seeds"]:
            if seed not in self._children:
                self._children[seed] = self._store.open_child(self._parent, seed, self._started)
        return self._store, self._parent

    def _take_up(self, store: Store, run: str) -> None:
        for seed, child in store.children(run).items():
            store.reopen(child)
            self._held[seed], self._shown[seed] = store.points(child), store.pictured_steps(child)
            self._children[seed] = child
        store.reopen(run)
        self._parent = run

    def _deliver(self) -> None:
        store, _ = self._open()
        for seed, record, pictures, timestamp in _drain(self._queue):
            points = [point for point in episode_points(record) if point not in self._held.get(seed, ())]
            self._pending.setdefault(seed, []).extend(make_metrics(points, timestamp))
            shown = self._shown.get(seed, ())
            self._pictures |= {(seed, step): networks for step, networks in pictures.items() if step not in shown}
        for seed in list(self._pending):
            # MLflow's key of a point holds its timestamp: a batch that is sent again is not doubled.
            store.add_metrics(self._children[seed], self._pending[seed])
            del self._pending[seed]
        if self._unsure:
            # A picture that was sent may have arrived, though no answer came.
            arrived = {seed: store.pictured_steps(self._children[seed]) for seed, _ in self._pictures}
            self._pictures = {key: value for key, value in self._pictures.items() if key[1] not in arrived[key[0]]}
            self._unsure = False
        for seed, step in list(self._pictures):
            networks = self._pictures[seed, step]
            store.add_picture(self._children[seed], step, self._painter.draw(networks, networks.snapshots[-1]))
            del self._pictures[seed, step]

    def _close(self) -> None:
        self._deliver()
        store, parent = self._open()
        if self._results:
            store.record_stage(parent, "train", self._results, self._timings)
        for run in (*self._children.values(), parent):
            store.close(run, self._status)


def _drain(queue: SimpleQueue[Any]) -> Iterator[Any]:
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return
