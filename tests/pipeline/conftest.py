"""Fixtures of the pipeline's tests."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.laboratory import Laboratory, Store


@pytest.fixture(scope="session")
def migrated_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sqlite store that has been used: MLflow's migrations of a fresh one take seconds."""
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Laboratory]:
    """A project with results of all stages, and a working directory inside it; its store is not made yet."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    for variable in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    laboratory = Laboratory(tmp_path)
    laboratory.train()
    laboratory.evaluate()
    laboratory.animate()
    environment = dict(os.environ)
    yield laboratory
    os.environ.clear()
    os.environ.update(environment)


@pytest.fixture
def store(laboratory: Laboratory, migrated_store: Path) -> Store:
    """The project's own store, with nothing in it."""
    file = laboratory.folder / "mlflow.db"
    shutil.copy(migrated_store, file)
    return Store(file)
