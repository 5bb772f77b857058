"""What several tests of provenance need."""

import pytest

from pipeline.provenance.revision import WORKSPACE_REVISION
from pipeline.revisions.retrieval import results_of
from pipeline.tracking import record_missing
from tests.pipeline.laboratory import Repository, Store


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.tracking.recording.add_model", lambda *_: False)


def record(repository: Repository) -> Store:
    """Records the workspace's results in its store."""
    with results_of(WORKSPACE_REVISION) as results:
        record_missing(results.params, repository.results, results.stages)
    return Store(repository.folder / "mlflow.db")
