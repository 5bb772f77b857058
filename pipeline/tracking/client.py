"""A thin MLflow client: one environment's experiment, in bounded time and within MLflow's limits on a request."""

import os
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from pipeline.tracking.contents import Point
from pipeline.tracking.faults import REQUEST_SECONDS, Patience, TrackingError
from pipeline.tracking.location import artifact_location, guard_first_use, tracking_uri
from pipeline.tracking.moved import follow_move
from pipeline.tracking.view import offer_view

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment as FoundExperiment
    from mlflow.entities import Metric, Run

    from ddpg.visualizations.video import Frame

PAGE = 1000
_METRICS_PER_BATCH = 1000  # MLflow's limits on a request
_PARAMS_PER_BATCH = 100
_PICTURES = "networks"
_DESCRIPTION = (
    "Results of DDPG on **{}**: a run is the result of one `dvc repro`, with a run of each seed nested in it. It is "
    "named after the parameters that it changed and the first commit that holds it, or else the one it was made on top "
    "of. The view *Results* shows the scores as columns; `python -m pipeline.compare RUN` compares the workspace with "
    "a run."
)
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # the default retries a dead server for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(REQUEST_SECONDS),
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # the address may hold a password
}
_REQUIRED = {
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",  # a process that ends would lose what is queued
    "MLFLOW_TRUNCATE_LONG_VALUES": "true",
}
"""Whatever the user's own are."""

RunStatus = Literal["FINISHED", "FAILED", "KILLED"]


def connect() -> "MlflowClient":
    """Return a client of the store, whose requests are bounded in time; MLflow's import takes seconds."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ.update(_REQUIRED)
    follow_move()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri(), registry_uri=tracking_uri())


def search(client: "MlflowClient", experiments: Sequence[str], condition: str) -> "Iterator[Run]":
    """Yield all runs of some experiments that fulfil a condition, newest first."""
    page = None
    while experiments:
        found = client.search_runs(
            list(experiments), condition, max_results=PAGE, order_by=["attributes.start_time DESC"], page_token=page
        )
        yield from found
        page = found.token
        if not page:
            return


def all_experiments(client: "MlflowClient") -> list[str]:
    """Return the ids of all experiments that nobody deleted."""
    return [found.experiment_id for found in client.search_experiments(max_results=PAGE)]


def close_family(client: "MlflowClient", experiment: str, parent: str, status: RunStatus) -> None:
    """End a run, and those of its seeds that are open."""
    # The parent last: as long as it is open, its open children can be found.
    close_children(client, experiment, parent, status)
    client.set_terminated(parent, status)


def close_children(client: "MlflowClient", experiment: str, parent: str, status: RunStatus) -> None:
    """End the open runs of a result's seeds."""
    children = search(client, [experiment], f"tags.`mlflow.parentRunId` = '{parent}' and attributes.status = 'RUNNING'")
    for child in list(children):
        client.set_terminated(child.info.run_id, status)


class Experiment:
    """The experiment of one environment, created at its first use.

    Args:
        environment: Its name.
        patience: How long the store may take.

    Raises:
        TrackingError: Somebody deleted the experiment.
    """

    def __init__(self, environment: str, patience: Patience) -> None:
        self._patience = patience
        with guard_first_use(tracking_uri()):
            self._client = connect()
            found = self._find_or_create(environment)
        if found.lifecycle_stage == "deleted":
            raise TrackingError(
                f"{environment}: expected an active experiment, found a deleted one; restore it with "
                f"`mlflow experiments restore --experiment-id {found.experiment_id}`, or remove it for good with "
                f"`mlflow gc --experiment-ids {found.experiment_id}`"
            )
        self.id: str = found.experiment_id
        offer_view(self.client, found)

    @property
    def client(self) -> "MlflowClient":
        """The client, as long as there is time for one more request."""
        self._patience.check()
        return self._client

    def search(self, condition: str) -> "Iterator[Run]":
        """Yield the experiment's runs that fulfil a condition, newest first."""
        return search(self.client, [self.id], condition)

    def children(self, parent: str, condition: str = "") -> dict[int, str]:
        """Return the runs of a result's seeds that fulfil a condition, ` and …`; other nested runs are left out."""
        runs = self.search(f"tags.`mlflow.parentRunId` = '{parent}' and tags.seed LIKE '%'{condition}")
        return {int(run.data.tags["seed"]): run.info.run_id for run in runs}

    def create_run(self, tags: dict[str, str], name: str | None, start_time: int | None) -> str:
        """Open a run; return its id."""
        return str(self.client.create_run(self.id, start_time, tags, name).info.run_id)

    def reopen(self, run: str, tags: Mapping[str, str], name: str | None) -> None:
        """Set a run to running, as `create_run` would, without what else its tags said of its code and experiment."""
        before = self.client.get_run(run).data.tags
        self.add_tags(run, tags)
        for stale in before.keys() - tags.keys():
            if stale.startswith(("git.", "dvc.", "mlflow.source.git.", "version.", "environment.")):
                self.client.delete_tag(run, stale)
        self.client.update_run(run, "RUNNING", name)

    def close(self, run: str, status: RunStatus) -> None:
        """End a run; one that has this status keeps its end time."""
        if self.client.get_run(run).info.status != status:
            self.client.set_terminated(run, status)

    def add_params(self, run: str, params: Mapping[str, str]) -> None:
        """Add parameters; those that the run has must have the same value."""
        from mlflow.entities import Param

        for batch in _batches([Param(*item) for item in params.items()], _PARAMS_PER_BATCH):
            self.client.log_batch(run, params=batch, synchronous=True)

    def add_tags(self, run: str, tags: Mapping[str, str]) -> None:
        """Set tags."""
        from mlflow.entities import RunTag

        self.client.log_batch(run, tags=[RunTag(*item) for item in tags.items()], synchronous=True)

    def add_metrics(self, run: str, metrics: "Sequence[Metric]") -> None:
        """Add metric points; sent again with the same timestamp, a point is not doubled."""
        for batch in _batches(metrics, _METRICS_PER_BATCH):
            self.client.log_batch(run, metrics=batch, synchronous=True)

    def add_missing_points(self, run: str, points: Iterable[Point]) -> None:
        """Add the points that the run lacks."""
        points = list(points)
        present = self.points(run, {point.metric for point in points})
        self.add_metrics(run, make_metrics([point for point in points if point not in present], now()))

    def points(self, run: str, metrics: Collection[str] | None = None) -> set[Point]:
        """Return a run's points: all, or those of these metrics."""
        names = [name for name in self.client.get_run(run).data.metrics if metrics is None or name in metrics]
        histories = [self.client.get_metric_history(run, name) for name in names]
        return {Point(point.key, point.value, point.step) for history in histories for point in history}

    def add_picture(self, run: str, step: int, picture: "Frame") -> None:
        """Add a picture of the networks; the UI has a slider over the steps, which are episodes."""
        self.client.log_image(run, picture, key=_PICTURES, step=step, synchronous=True)

    def pictured_steps(self, run: str) -> set[int]:
        """Return the steps of a run's pictures."""
        # MLflow names an image by its key, step, time and a random number.
        names = [PurePosixPath(item.path).name for item in self.client.list_artifacts(run, "images")]
        return {int(step) for name in names for step in re.findall(rf"{_PICTURES}\Wstep\W(\d+)\W", name)}

    def _find_or_create(self, name: str) -> "FoundExperiment":
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                about = {"mlflow.note.content": _DESCRIPTION.format(name)}
                created = self.client.create_experiment(name, artifact_location(tracking_uri()), about)
                found = self.client.get_experiment(created)
            except MlflowException:  # another process may have been faster
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    raise
        return found


def make_metrics(points: Iterable[Point], timestamp: int) -> "list[Metric]":
    """Return MLflow's entities for metric points."""
    from mlflow.entities import Metric

    return [Metric(name, value, timestamp, step) for name, value, step in points]


def now() -> int:
    """Return the time as MLflow counts it, in milliseconds since 1970."""
    return int(time.time() * 1000)


def _batches(entries: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (entries[start : start + size] for start in range(0, len(entries), size))
