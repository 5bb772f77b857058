"""What MLflow holds of results: which run holds which, and their files."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.stages import TRAIN
from pipeline.tracking.contents import ARTIFACT_FOLDERS
from pipeline.tracking.faults import TrackingError, reason, without_secrets
from pipeline.tracking.location import guard_first_use, nothing_there, tracking_uri
from pipeline.tracking.store import held, open_client

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_PAGE = 1000


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
    """All runs that hold a result, the newest first; a store that is not there yet is not made.

    Raises:
        TrackingError: The store could not be read.
    """
    if nothing_there():
        return []
    try:
        with guard_first_use(tracking_uri()):
            client = open_client()
            experiments = [found.experiment_id for found in client.search_experiments(max_results=_PAGE)]
        return [_recorded(run) for run in _search(client, experiments)]
    except Exception as error:
        raise TrackingError(reason(error)) from None


def digests_of(run: str) -> dict[str, str]:
    """By stage: the digest of what a run, or the run that a seed's run belongs to, recorded.

    Raises:
        TrackingError: There is no such run, or the store could not be read.
    """
    try:
        return _recorded(_parent(open_client(), run)).digests if not nothing_there() else {}
    except Exception as error:
        raise TrackingError(reason(error)) from None


def tag(run: RecordedRun, tags: Mapping[str, str]) -> bool:
    """Set tags of a run, where they differ; an empty text removes one. Says whether anything was changed.

    Raises:
        TrackingError: The store could not be written.
    """
    changes = {name: value for name, value in tags.items() if run.tags.get(name, "") != value}
    if not changes:
        return False
    try:
        client = open_client()
        for name, value in changes.items():
            if value:
                client.set_tag(run.id, name, value)
            else:
                client.delete_tag(run.id, name)
    except Exception as error:
        raise TrackingError(reason(error)) from None
    return True


def download(run: str, place: Callable[[str], Path]) -> tuple[str, ...]:
    """Copy a run's tables, numbers, pictures and videos to where they are in a project, with its params.yaml.

    Args:
        run: Its id.
        place: Gives the file for a path in the project; refuses one that would leave it.

    Returns:
        The stages that the run holds.

    Raises:
        TrackingError: There is no such run, or the store could not be read.
    """
    try:
        client = open_client()
        parent = _parent(client, run)
        _download(client, parent.info.run_id, "params.yaml", place("params.yaml"))
        digests = _recorded(parent).digests
        for stage in digests:
            folder = ARTIFACT_FOLDERS[stage]
            for item in client.list_artifacts(parent.info.run_id, folder):
                name = PurePosixPath(item.path).relative_to(folder)
                if not item.is_dir:
                    _download(client, parent.info.run_id, item.path, place(f"results/{stage}/{name}"))
        return tuple(digests)
    except Exception as error:
        raise TrackingError(reason(error)) from None


def _search(client: "MlflowClient", experiments: list[str]) -> Iterator["Run"]:
    page = None
    while experiments:
        found = client.search_runs(
            experiments,
            f"tags.`digest.{TRAIN.name}` LIKE '%'",
            max_results=_PAGE,
            order_by=["attributes.start_time DESC"],
            page_token=page,
        )
        yield from found
        page = found.token
        if not page:
            return


def _parent(client: "MlflowClient", run: str) -> "Run":
    found = client.get_run(run)
    parent = found.data.tags.get("mlflow.parentRunId")
    return client.get_run(parent) if parent else found


def _recorded(run: "Run") -> RecordedRun:
    tags = run.data.tags
    uri = tracking_uri()
    server = (
        without_secrets(uri).rstrip("/") if uri.startswith("http") else "http://127.0.0.1:5000"
    )  # that of `make ui`
    return RecordedRun(
        id=run.info.run_id,
        name=run.info.run_name,
        digests=held(run),
        tags=dict(tags),
        link=f"{server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}",
    )


def _download(client: "MlflowClient", run: str, artifact: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        shutil.copyfile(client.download_artifacts(run, artifact, folder), target)
