"""Fixtures of the pipeline's tests."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.pipeline.laboratory import PIPELINE, Laboratory, Repository, Store


@pytest.fixture(scope="session")
def migrated_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated sqlite store: MLflow's migrations of a new one take seconds."""
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture(scope="session")
def committed_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with three commits: the first two have the same results, the third has others."""
    repository = Repository(tmp_path_factory.mktemp("committed"))
    with (repository.folder / "dvc.yaml").open("w") as file:
        YAML(typ="safe", pure=True).dump(PIPELINE, file)
    (repository.folder / ".gitignore").write_text("mlflow.db*\nmlartifacts\n")
    repository.prepare(0.0001, iqm=90.0)
    repository.prepare(0.001, iqm=95.0)
    repository.prepare(0.01, iqm=92.0)
    for command in ("git init --quiet -b main", "git config user.name A", "git config user.email a@b.c", "dvc init -q"):
        repository.run(*command.split())
    repository.set_params(0.0001)
    repository.repro()
    repository.commit("Baseline")
    repository.commit("Write about it")
    repository.set_params(0.001)
    repository.repro()
    repository.commit("Raise the step size")
    return repository.folder


@pytest.fixture
def repository(
    committed_project: Path, tmp_path: Path, migrated_store: Path, monkeypatch: pytest.MonkeyPatch
) -> Repository:
    """A copy of `committed_project` with an empty store, as the working directory."""
    folder = shutil.copytree(committed_project, tmp_path / "project", symlinks=True)
    shutil.copy(migrated_store, folder / "mlflow.db")
    monkeypatch.setenv("DVC_ROOT", str(folder))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    for variable in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(folder)
    return Repository(folder)


@pytest.fixture
def laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Laboratory]:
    """A project with results of all stages and no store yet, as the working directory."""
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
    """The laboratory's store, empty."""
    file = laboratory.folder / "mlflow.db"
    shutil.copy(migrated_store, file)
    return Store(file)
