"""Runs and models in a real MLflow store."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.tracking import record, tracking_uri
from tests.pipeline.laboratory import Laboratory, Store
from tests.pipeline.tracking.steps import record_all

pytestmark = pytest.mark.slow


def test_the_run_names_its_code_and_experiment(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@b.c"]
    (laboratory.folder / "model.py").write_text("first\n")
    (laboratory.folder / ".gitignore").write_text("mlflow.db\nresults\n")
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    (laboratory.folder / "model.py").write_text("second\n")
    monkeypatch.setenv("DVC_EXP_NAME", "puffy-daks")
    record("train", laboratory.params, laboratory.results)
    (parent,) = store.parents()
    assert parent.info.run_name == parent.data.tags["dvc.experiment"] == "puffy-daks"
    assert parent.data.tags["git.branch"] == "main"
    assert parent.data.tags["git.dirty"] == "true"
    diff = Path(store.client.download_artifacts(parent.info.run_id, "git.diff")).read_text()
    assert "+second" in diff
    assert parent.data.tags["git.commit"][:10] in parent.data.tags["mlflow.note.content"]


def test_the_actor_is_a_registered_model_that_predicts(
    laboratory: Laboratory,
    store: Store,
    keras_model: Any,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    record_all(laboratory)
    record_all(laboratory)
    (version,) = store.client.search_model_versions("name = 'ddpg-MountainCarContinuous-v0'")
    (parent,) = store.parents()
    assert version.run_id == parent.info.run_id
    assert "93.91" in version.description
    assert "trained on **MountainCarContinuous-v0**" in store.client.get_registered_model(version.name).description
    newest = store.client.get_model_version_by_alias(version.name, "newest")
    assert newest.version == version.version
    (output,) = parent.outputs.model_outputs
    assert newest.source == store.client.get_logged_model(output.model_id).artifact_location
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri())
    model = mlflow.pyfunc.load_model(f"models:/{version.name}@newest")
    observations = np.array([[0.1, -0.2], [0.3, 0.4]], dtype=np.float32)
    np.testing.assert_allclose(model.predict(observations), keras_model(observations).numpy(), rtol=1e-6)
    assert model.metadata.signature.inputs.input_types() == [np.dtype("float32")]
