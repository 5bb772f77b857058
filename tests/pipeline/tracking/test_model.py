"""Models in a real MLflow store."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddpg.environments.running_statistics import FILE
from pipeline.tracking import record_missing, tracking_uri
from tests.pipeline.laboratory import Laboratory, Store
from tests.pipeline.tracking.steps import record_all

pytestmark = pytest.mark.slow


def test_the_actor_is_a_registered_model_that_predicts(
    laboratory: Laboratory,
    store: Store,
    keras_model: Any,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    (laboratory.results / "evaluate/policy" / FILE).write_text("statistics")
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

    assert Path(mlflow.artifacts.download_artifacts(f"{newest.source}/{FILE}")).read_text() == "statistics"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri())
    model = mlflow.pyfunc.load_model(f"models:/{version.name}@newest")
    observations = np.array([[0.1, -0.2], [0.3, 0.4]], dtype=np.float32)
    np.testing.assert_allclose(model.predict(observations), keras_model(observations).numpy(), rtol=1e-6)
    assert model.metadata.signature.inputs.input_types() == [np.dtype("float32")]


def test_a_model_that_cannot_be_saved_costs_a_warning_and_is_added_later(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.tracking.model.save_actor", lambda *_: 1 / 0)
        record_all(laboratory)
    assert "warning: MLflow could not record the model: ZeroDivisionError" in capsys.readouterr().err
    (parent,) = store.parents()
    assert (parent.data.tags["stages"], parent.info.status) == ("train, evaluate, animate", "FINISHED")
    stages = ["train", "evaluate", "animate"]
    assert record_missing(laboratory.params, laboratory.results, stages) == [("model", parent.info.run_name)]
    assert record_missing(laboratory.params, laboratory.results, stages) == []
    (version,) = store.client.search_model_versions()
    assert version.run_id == parent.info.run_id
    models = store.client.search_logged_models([parent.info.experiment_id])
    assert sorted(model.status for model in models) == ["FAILED", "FAILED", "READY"]


def test_a_registered_model_that_was_deleted_is_registered_again(laboratory: Laboratory, store: Store) -> None:
    record_all(laboratory)
    (parent,) = store.parents()
    store.client.delete_registered_model("ddpg-MountainCarContinuous-v0")
    assert record_missing(laboratory.params, laboratory.results, ["train", "evaluate"]) == [
        ("model", parent.info.run_name)
    ]
    (version,) = store.client.search_model_versions()
    assert "93.91" in version.description
    assert len(store.client.search_logged_models([parent.info.experiment_id])) == 1
