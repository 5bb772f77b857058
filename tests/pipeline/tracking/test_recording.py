"""Stages in a real MLflow store, from their files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.tracking import client, record, record_missing, recording
from pipeline.tracking.recording import Recorder
from tests.pipeline.laboratory import REPOSITORY, Laboratory, Store
from tests.pipeline.tracking.steps import record_all, train_live

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


def test_curves_over_seeds_are_quartiles_by_episode(laboratory: Laboratory, store: Store) -> None:
    record("train", laboratory.params, laboratory.results)
    (parent,) = store.parents()
    curve = {step: value for name, value, step in store.points(parent) if name == "test/return_upper_quartile"}
    of_seeds = [
        {step: value for name, value, step in laboratory.recorded_points(seed) if name == "test/return"}
        for seed in laboratory.seeds
    ]
    assert curve == {step: np.quantile([values[step] for values in of_seeds], 0.75) for step in range(1, 7)}
    assert parent.data.metrics["train/nested/iqm"] == 93.5


def test_stages_join_the_run_of_the_training(laboratory: Laboratory, store: Store) -> None:
    train_live(laboratory)
    (before,) = store.parents()
    assert not any(name.startswith("evaluate.") for name in before.data.params)
    record("evaluate", laboratory.params, laboratory.results, {"evaluate_seconds": 3.0})
    record("animate", laboratory.params, laboratory.results)
    (parent,) = store.parents()
    assert parent.info.run_id == before.info.run_id
    assert parent.data.tags["stages"] == "train, evaluate, animate"
    assert parent.data.metrics["evaluate/best/return_iqm"] == 93.9123
    assert "evaluate/median_seed" not in parent.data.metrics
    assert parent.data.tags["evaluate.median_seed"] == "2"
    assert parent.data.params["evaluate.n_episodes"] == "100"
    assert parent.data.params["agent.hidden_layer_sizes_actor"] == "[16, 32, 16]"
    assert parent.data.params["environment.id"] == "MountainCarContinuous-v0"
    assert parent.data.tags["mlflow.note.content"].startswith(
        "DDPG on **MountainCarContinuous-v0**, seeds 1, 2, 3: the best policies return **93.91** [93.00, 94.50] "
        "(interquartile mean over seeds), 3 of 3 solve the task.\n\n"
    )
    assert f"`python -m pipeline.compare {parent.info.run_id}`" in parent.data.tags["mlflow.note.content"]
    assert store.artifacts(parent) >= {"params.yaml", "train", "evaluate", "videos"}
    assert "videos/rollout.mp4" in store.artifacts(parent, "videos")
    child = store.children(parent)[3]
    assert child.data.metrics["evaluate/best/return"] == 93
    assert child.data.tags["evaluate.diagnosis"] == "solved"
    assert "evaluate/episodes_to_solve" not in child.data.metrics


def test_a_stage_that_was_not_recorded_is_with_the_next_one(laboratory: Laboratory, store: Store) -> None:
    train_live(laboratory)
    record("animate", laboratory.params, laboratory.results)
    (parent,) = store.parents()
    assert parent.data.tags["stages"] == "train, evaluate, animate"


def test_recording_again_does_nothing(laboratory: Laboratory, store: Store) -> None:
    record_all(laboratory)
    before = [(run.info.run_id, run.data.to_dictionary(), store.points(run)) for run in store.runs()]
    record_all(laboratory)
    assert [(run.info.run_id, run.data.to_dictionary(), store.points(run)) for run in store.runs()] == before


def test_another_evaluation_of_the_same_training_is_a_new_complete_run(laboratory: Laboratory, store: Store) -> None:
    train_live(laboratory)
    record("evaluate", laboratory.params, laboratory.results)
    laboratory.evaluate(iqm=95.0)
    record("evaluate", laboratory.params, laboratory.results)
    newest, oldest = store.parents()
    assert newest.data.tags["backfilled"] == "true"
    assert "backfilled" not in oldest.data.tags
    assert newest.data.metrics["evaluate/best/return_iqm"] == 95.0
    for seed, child in store.children(newest).items():
        episodes = [point for point in store.points(child) if not point[0].startswith("evaluate/")]
        assert sorted(episodes) == sorted(laboratory.recorded_points(seed))
    laboratory.evaluate()
    assert record_missing(laboratory.params, laboratory.results, ["train", "evaluate"]) == []


def test_an_evaluation_with_other_parameters_leaves_an_interrupted_one_alone(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record("train", laboratory.params, laboratory.results)
    with monkeypatch.context() as patch:
        patch.setattr(recording, "seed_summaries", lambda *_: 1 / 0)
        record("evaluate", laboratory.params, laboratory.results)
    (parent,) = store.parents()
    assert (parent.info.status, parent.data.tags["stages"]) == ("FINISHED", "train")
    params = laboratory.params
    params["evaluate"]["n_episodes"] = 7
    record("evaluate", params, laboratory.results)
    newest, _ = store.parents()
    assert newest.data.params["evaluate.n_episodes"] == "7"
    assert newest.data.tags["stages"] == "train, evaluate"


def test_a_seed_that_was_deleted_is_restored_even_if_that_fails_at_first(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_all(laboratory)
    (parent,) = store.parents()
    store.client.delete_run(store.children(parent)[2].info.run_id)
    with monkeypatch.context() as patch:
        patch.setattr(client.Experiment, "add_missing_points", lambda *_: 1 / 0)
        record("animate", laboratory.params, laboratory.results)
    assert store.parents()[0].info.status == "FINISHED"
    record("animate", laboratory.params, laboratory.results)
    assert laboratory.recorded_points(2) <= set(store.points(store.children(parent)[2]))
    assert {run.info.status for run in store.runs()} == {"FINISHED"}


def test_a_nested_run_of_no_seed_is_left_alone(laboratory: Laboratory, store: Store) -> None:
    record("train", laboratory.params, laboratory.results)
    (parent,) = store.parents()
    store.client.create_run(parent.info.experiment_id, tags={"mlflow.parentRunId": parent.info.run_id})
    record("evaluate", laboratory.params, laboratory.results)
    (parent,) = store.parents()
    assert parent.data.tags["stages"] == "train, evaluate"


def test_an_interrupted_recording_is_resumed(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record("train", laboratory.params, laboratory.results)
    with monkeypatch.context() as patch:
        patch.setattr(recording, "seed_summaries", lambda *_: 1 / 0)
        record("evaluate", laboratory.params, laboratory.results)
    assert "ZeroDivisionError" in capsys.readouterr().err
    record("evaluate", laboratory.params, laboratory.results)
    (parent,) = store.parents()
    points = store.points(parent)
    assert len(points) == len({(name, step) for name, _, step in points})
    assert parent.data.tags["stages"] == "train, evaluate"
    assert parent.info.status == "FINISHED"


def test_a_recording_that_fails_leaves_no_run_open(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client.Experiment, "add_missing_points", lambda *_: 1 / 0)
    record("train", laboratory.params, laboratory.results)
    assert [run.info.status for run in store.runs()] == ["FAILED"] * 4


def test_an_interrupted_evaluation_leaves_no_numbers_in_the_next(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record("train", laboratory.params, laboratory.results)
    with monkeypatch.context() as patch:
        patch.setattr(recording, "seed_summaries", lambda *_: 1 / 0)
        record("evaluate", laboratory.params, laboratory.results)
    laboratory.evaluate(iqm=50.0)
    record("evaluate", laboratory.params, laboratory.results)
    (parent,) = store.parents()
    assert parent.data.metrics["evaluate/best/return_iqm"] == 50.0


@pytest.mark.usefixtures("store", "keras_model")
def test_recording_prints_nothing(laboratory: Laboratory, capfd: pytest.CaptureFixture[str]) -> None:
    train_live(laboratory)
    record_all(laboratory)
    assert capfd.readouterr() == ("", "")


def test_three_processes_at_once_on_a_fresh_store_all_record(laboratory: Laboratory) -> None:
    program = (
        "import json, sys; from pathlib import Path; from pipeline.tracking import record_missing\n"
        "assert record_missing(json.loads(sys.argv[1]), Path(sys.argv[2]), ['train'])\n"
    )
    others = [Laboratory(laboratory.folder / str(i), n_episodes=i + 1) for i in range(3)]
    for other in others:
        other.train()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, json.dumps(other.params), str(other.results)],
            cwd=REPOSITORY,
            stderr=subprocess.PIPE,
            text=True,
        )
        for other in others
    ]
    errors = [process.communicate(timeout=100)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], "\n".join(errors)
    store = Store(laboratory.folder / "mlflow.db")
    assert len(store.parents()) == 3
    assert all(len(store.children(parent)) == 3 for parent in store.parents())


@pytest.mark.usefixtures("store")
def test_an_interrupt_stays_one_where_the_tracker_is_gone_too(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        monkeypatch.setattr(client.Experiment, "client", property(lambda _: 1 / 0))
        raise KeyboardInterrupt

    monkeypatch.setattr(Recorder, "record_stage", interrupt)
    with pytest.raises(KeyboardInterrupt):
        record("train", laboratory.params, laboratory.results)


def test_the_run_names_the_software_and_another_version_is_no_other_result(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record("train", laboratory.params, laboratory.results)
    (parent,) = store.parents()
    assert parent.data.tags["version.numpy"] == np.__version__
    monkeypatch.setattr(recording, "tags_here", lambda _: {"version.numpy": "0.1"})
    record("evaluate", laboratory.params, laboratory.results)
    (again,) = store.parents()
    assert again.info.run_id == parent.info.run_id
    assert again.data.tags["version.numpy"] == np.__version__
