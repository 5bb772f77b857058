"""The saved view of an experiment; tests/browser shows that MLflow's UI reads it."""

import json

import pytest

from pipeline.tracking import record
from pipeline.tracking.view import CURVES, SCORES, VIEW_TAG, saved_view
from tests.pipeline.laboratory import Laboratory, Store
from tests.pipeline.tracking.steps import record_all
from tests.test_metrics import documented

pytestmark = pytest.mark.slow


def test_it_shows_metrics_that_runs_have() -> None:
    assert {*SCORES, *CURVES} <= documented("result")


def test_each_chart_is_in_a_section() -> None:
    state = json.loads(json.loads(saved_view(0))["state"])
    assert {card["metricSectionId"] for card in state["compareRunCharts"]} == {
        section["uuid"] for section in state["compareRunSections"]
    }


def test_an_experiment_has_it_from_the_first_recording_and_keeps_the_users(
    laboratory: Laboratory, store: Store
) -> None:
    record_all(laboratory)
    experiment = store.parents()[0].info.experiment_id
    made = store.client.get_experiment(experiment).tags[VIEW_TAG]
    assert json.loads(made)["name"] == "Results"
    store.client.set_experiment_tag(experiment, VIEW_TAG, "changed by its user")
    laboratory.evaluate(iqm=95.0)
    record_all(laboratory)
    assert store.client.get_experiment(experiment).tags[VIEW_TAG] == "changed by its user"


def test_an_experiment_that_was_made_without_it_gets_it(laboratory: Laboratory, store: Store) -> None:
    experiment = store.client.create_experiment(laboratory.params["environment"]["id"])
    record_all(laboratory)
    assert VIEW_TAG in store.client.get_experiment(experiment).tags


def test_a_view_that_fails_costs_a_warning(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.tracking.view.saved_view", lambda _: 1 / 0)
    record("train", laboratory.params, laboratory.results)
    assert capsys.readouterr().err.count("warning: MLflow could not record the saved view: ZeroDivisionError") == 1
    assert "digest.train" in store.parents()[0].data.tags
