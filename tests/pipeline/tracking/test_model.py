"""Models in a real MLflow store."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ddpg.environments.running_statistics import FILE
from pipeline.tracking import record, record_missing, tracking_uri
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
    assert newest.tags["evaluate/best/return_iqm"] == "93.9123"
    assert store.client.get_model_version_by_alias(version.name, "best").version == version.version
    (output,) = parent.outputs.model_outputs
    assert newest.source == store.client.get_logged_model(output.model_id).artifact_location
    import mlflow
    from mlflow.pyfunc import scoring_server

    assert Path(mlflow.artifacts.download_artifacts(f"{newest.source}/{FILE}")).read_text() == "statistics"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri())
    model = mlflow.pyfunc.load_model(f"models:/{version.name}@newest")
    observations = np.array([[0.1, -0.2], [0.3, 0.4]], dtype=np.float32)
    actions = keras_model(observations).numpy()
    for given in (observations, observations.astype(np.float64), observations.tolist(), pd.DataFrame(observations)):
        np.testing.assert_allclose(model.predict(given), actions, rtol=1e-6)
    np.testing.assert_allclose(model.predict([[0, 1]]), keras_model(np.array([[0.0, 1.0]])).numpy(), rtol=1e-6)
    request = json.dumps({"dataframe_split": {"data": observations.tolist()}})
    answer = scoring_server.invocations(request, "application/json", model, model.metadata.get_input_schema())
    np.testing.assert_allclose(
        [list(row.values()) for row in json.loads(answer.response)["predictions"]], actions, rtol=1e-6
    )


def test_the_best_has_the_greatest_return_and_an_experiment_from_elsewhere_is_not_the_newest(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def aliases() -> dict[str, int]:
        model = store.client.get_registered_model("ddpg-MountainCarContinuous-v0")
        return {alias: int(version) for alias, version in model.aliases.items()}

    record_all(laboratory)
    assert aliases() == {"best": 1, "newest": 1}
    laboratory.evaluate(iqm=92.0)
    record_all(laboratory)
    assert aliases() == {"best": 1, "newest": 2}
    queued = laboratory.folder / ".dvc/tmp/exps/temp"
    queued.mkdir(parents=True)
    elsewhere = replace(laboratory, folder=queued)
    elsewhere.train()
    elsewhere.evaluate(iqm=95.0)
    monkeypatch.chdir(queued)
    monkeypatch.setenv("DVC_EXP_NAME", "puffy-daks")
    record("evaluate", laboratory.params, elsewhere.results)
    assert aliases() == {"best": 3, "newest": 2}


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
