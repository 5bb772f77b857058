"""What MLflow holds of results: which run holds which, and their files."""

import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.stages import STAGES, TRAIN
from pipeline.tracking.client import all_experiments, connect, search
from pipeline.tracking.contents import SEPARATOR, names_commit, run_name
from pipeline.tracking.faults import as_tracking_errors, without_secrets
from pipeline.tracking.location import guard_first_use, nothing_there, tracking_uri
from pipeline.tracking.matching import held, seeds_in
from pipeline.tracking.view import CLASSIC

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_SERVER = "http://127.0.0.1:5000"  # that of `make ui`


@dataclass(frozen=True)
class RecordedRun:
    """A run that holds a result."""

    id: str
    name: str
    digests: dict[str, str]
    """By stage: `digests.stage_digest` of what it recorded."""
    tags: dict[str, str]
    link: str
    """Its page in the MLflow UI."""


def recorded_runs() -> list[RecordedRun]:
    """Return all runs that hold a result, newest first; a store that does not exist yet is not created.

    Raises:
        TrackingError: The store could not be read.
    """
    if nothing_there():
        return []
    with as_tracking_errors():
        with guard_first_use(tracking_uri()):
            client = connect()
            experiments = all_experiments(client)
        return [_recorded(run) for run in search(client, experiments, f"tags.`digest.{TRAIN.name}` LIKE '%'")]


def without_seeds(runs: Sequence[RecordedRun]) -> set[str]:
    """Return the ids of those of these runs that lack the finished run of a seed.

    Raises:
        TrackingError: The store could not be read.
    """
    present: dict[str, set[int]] = defaultdict(set)
    if runs:
        with as_tracking_errors():
            client = connect()
            for child in search(
                client, all_experiments(client), "tags.seed LIKE '%' and attributes.status = 'FINISHED'"
            ):
                present[child.data.tags.get("mlflow.parentRunId", "")].add(int(child.data.tags["seed"]))
    return {run.id for run in runs if not present[run.id] >= seeds_in(run.tags)}


def digests_of(run: str) -> dict[str, str]:
    """Return, by stage, the digest of what a run, or the run that a seed's run belongs to, recorded.

    Raises:
        TrackingError: There is no such run, or the store could not be read.
    """
    if nothing_there():
        return {}
    with as_tracking_errors():
        return held(_parent(connect(), run))


def tag(run: RecordedRun, tags: Mapping[str, str], commit: str | None = None) -> bool:
    """Set tags of a run where they differ, an empty text removes one; say whether anything was changed.

    Args:
        run: The run.
        tags: Their values, by name.
        commit: One that holds its result, which its name then says in place of the one that it was made on top of.

    Raises:
        TrackingError: The store could not be written.
    """
    changes = {name: value for name, value in tags.items() if run.tags.get(name, "") != value}
    if changes:
        with as_tracking_errors():
            client = connect()
            for name, value in changes.items():
                if value:
                    client.set_tag(run.id, name, value)
                else:
                    client.delete_tag(run.id, name)
            if commit and names_commit(run.name, run.tags.get("git.commit", "")):
                client.update_run(run.id, name=run_name(run.name.rpartition(SEPARATOR)[0], commit))
    return bool(changes)


def download(run: str, place: Callable[[str], Path]) -> tuple[str, ...]:
    """Copy a run's tables, numbers, pictures and videos to where they are in a project, with its params.yaml.

    Args:
        run: Its id.
        place: Gives the file for a path in the project; raises for one outside it.

    Returns:
        The stages that the run holds.

    Raises:
        TrackingError: There is no such run, or the store could not be read.
    """
    with as_tracking_errors():
        client = connect()
        parent = _parent(client, run)
        _download(client, parent, "params.yaml", place("params.yaml"))
        stages = tuple(held(parent))
        for stage in stages:
            folder = STAGES[stage].artifact_folder
            for item in client.list_artifacts(parent.info.run_id, folder):
                if not item.is_dir:
                    name = PurePosixPath(item.path).relative_to(folder)
                    _download(client, parent, item.path, place(f"results/{stage}/{name}"))
        return stages


def _parent(client: "MlflowClient", run: str) -> "Run":
    found = client.get_run(run)
    parent = found.data.tags.get("mlflow.parentRunId")
    return client.get_run(parent) if parent else found


def _recorded(run: "Run") -> RecordedRun:
    uri = tracking_uri()
    server = without_secrets(uri).rstrip("/") if uri.startswith("http") else _SERVER
    return RecordedRun(
        id=run.info.run_id,
        name=run.info.run_name,
        digests=held(run),
        tags=dict(run.data.tags),
        link=f"{server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}?{CLASSIC}",
    )


def _download(client: "MlflowClient", run: "Run", artifact: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        shutil.copyfile(client.download_artifacts(run.info.run_id, artifact, folder), target)
