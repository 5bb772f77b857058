"""Trainings that were interrupted, or whose tracker was, in a real MLflow store."""

import json
import platform
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from pipeline.tracking import LiveTraining, client, close_abandoned, live, presence, record, record_missing
from tests.pipeline.laboratory import Laboratory, Store
from tests.pipeline.tracking.steps import record_all, wait_until
from tests.pipeline.tracking.test_pictures import networks, pictured_episodes

pytestmark = pytest.mark.slow

KEY = "0123456789abcdef"


def train_until(laboratory: Laboratory, last: int, key: str | None = KEY) -> None:
    """Log the first episodes of each seed, then be interrupted; or finish, after the last."""
    with LiveTraining(laboratory.params, key) as tracker:
        for seed in laboratory.seeds:
            for episode in laboratory.records(seed):
                if episode["episode"] <= last:
                    tracker.log_episode(seed, episode)
        if last < laboratory.n_episodes:
            raise KeyboardInterrupt
        tracker.finish(laboratory.results)


def interrupt(laboratory: Laboratory, last: int, key: str | None = KEY) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_until(laboratory, last, key)


def pretend_killed(store: Store) -> Path:
    """Leave the runs of interrupted trainings as if their process had been killed; return its lock file."""
    for run in store.runs():
        store.client.update_run(run.info.run_id, "RUNNING")
    file = presence._file(store.parents()[0].data.tags["training.process"])
    file.touch()
    return file


def assert_one_complete_run(laboratory: Laboratory, store: Store) -> Any:
    (parent,) = store.parents()
    assert "digest.train" in parent.data.tags
    assert {run.info.status for run in store.runs()} == {"FINISHED"}
    for seed, child in store.children(parent).items():
        episodes = [point for point in store.points(child) if not point[0].startswith("evaluate/")]
        assert sorted(episodes) == sorted(laboratory.recorded_points(seed))
    return parent


@pytest.mark.parametrize("killed", [False, True])
def test_a_training_resumes_its_runs_and_doubles_no_point(laboratory: Laboratory, store: Store, killed: bool) -> None:
    interrupt(laboratory, 4)
    before = {run.info.run_id for run in store.runs()}
    if killed:
        pretend_killed(store)
    train_until(laboratory, laboratory.n_episodes)
    assert_one_complete_run(laboratory, store)
    assert {run.info.run_id for run in store.runs()} == before


def test_a_resumed_run_is_running(laboratory: Laboratory, store: Store) -> None:
    interrupt(laboratory, 2)
    with LiveTraining(laboratory.params, KEY) as tracker:
        wait_until(lambda: {run.info.status for run in store.runs()} == {"RUNNING"})
        tracker.fail("KILLED")
    assert {run.info.status for run in store.runs()} == {"KILLED"}


def test_pictures_are_not_doubled_either(laboratory: Laboratory, store: Store) -> None:
    params = laboratory.params | {"tracking": {"pictures_every_n_episodes": 2}}
    for last in (4, 6):
        with LiveTraining(params, KEY) as tracker:
            for episode in list(laboratory.records(1))[:last]:
                tracker.log_episode(1, episode, networks(episode["episode"]))
    assert pictured_episodes(store)[1] == [0, 2, 4, 6]


def test_another_training_opens_runs_of_its_own(laboratory: Laboratory, store: Store) -> None:
    interrupt(laboratory, 4)
    train_until(laboratory, laboratory.n_episodes, "another")
    train_until(laboratory, laboratory.n_episodes, None)
    assert len(store.parents()) == 3


@pytest.mark.parametrize("key", [KEY, None])
@pytest.mark.parametrize(("is_alive", "status"), [(False, "KILLED"), (True, "RUNNING")])
def test_the_next_training_closes_the_runs_of_one_that_was_killed(
    laboratory: Laboratory, store: Store, key: str | None, is_alive: bool, status: str
) -> None:
    interrupt(laboratory, 4, key)
    before = [run.info.run_id for run in store.runs()]
    file = pretend_killed(store)
    with FileLock(file) if is_alive else nullcontext():
        train_until(laboratory, laboratory.n_episodes, "another")
    assert {store.client.get_run(run).info.status for run in before} == {status}


def test_a_training_that_ended_is_not_resumed(laboratory: Laboratory, store: Store) -> None:
    train_until(laboratory, laboratory.n_episodes)
    train_until(laboratory, laboratory.n_episodes)
    assert len(store.parents()) == 2


@pytest.mark.parametrize("other", ["machine", "folder", "container"])
def test_a_training_that_runs_elsewhere_on_the_same_server_is_left_alone(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, other: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store.file}")
    interrupt(laboratory, 4)
    file = pretend_killed(store)
    if other == "machine":
        monkeypatch.setattr(platform, "node", lambda: "elsewhere")
    elif other == "folder":
        (tmp_path / "clone").mkdir()
        (tmp_path / "clone" / file.name).touch()
        monkeypatch.setenv("DVC_ROOT", str(tmp_path / "clone"))
    else:  # with the same name and folder, but other files
        file.unlink()
    assert close_abandoned() == []
    train_until(laboratory, laboratory.n_episodes)
    assert sorted("digest.train" in parent.data.tags for parent in store.parents()) == [False, True]


def test_a_training_that_another_machine_resumed_is_its_own(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(laboratory, 4)
    pretend_killed(store)
    monkeypatch.setenv("DVC_EXP_NAME", "puffy-daks")
    for run in store.runs():
        store.client.update_run(run.info.run_id, "KILLED")
    with monkeypatch.context() as patch:
        patch.setattr(platform, "node", lambda: "elsewhere")
        tracker = LiveTraining(laboratory.params, KEY)
        wait_until(lambda: {run.info.status for run in store.runs()} == {"RUNNING"})
    (parent,) = store.parents()
    assert parent.info.run_name == parent.data.tags["dvc.experiment"] == "puffy-daks"
    assert close_abandoned() == []
    train_until(laboratory, laboratory.n_episodes)
    assert len(store.parents()) == 2
    assert store.client.get_run(parent.info.run_id).info.status == "RUNNING"
    tracker.fail()


def lose_the_tracker(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch, key: str | None = KEY
) -> None:
    """Let the tracker fail for good after the first episodes: the runs stay open."""
    with monkeypatch.context() as patch:
        patch.setattr(live, "_BATCH_SECONDS", 0.05)
        with LiveTraining(laboratory.params, key) as tracker:
            for seed in laboratory.seeds:
                tracker.log_episode(seed, next(laboratory.records(seed)))
            wait_until(lambda: sum("train/return" in run.data.metrics for run in store.runs()) == len(laboratory.seeds))
            patch.setattr(client.Experiment, "client", property(lambda _: 1 / 0))
            tracker.finish(laboratory.results)


@pytest.mark.parametrize("by", ["the next stage", "sync"])
def test_what_a_lost_tracker_missed_is_added_to_the_same_run(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    lose_the_tracker(laboratory, store, monkeypatch)
    (open_run,) = store.parents()
    assert open_run.info.status == "RUNNING"
    if by == "sync":
        record_missing(laboratory.params, laboratory.results, ["train", "evaluate", "animate"])
    else:
        for stage in ("evaluate", "animate"):
            record(stage, laboratory.params, laboratory.results)
    parent = assert_one_complete_run(laboratory, store)
    assert parent.info.run_id == open_run.info.run_id
    assert parent.data.tags["stages"] == "train, evaluate, animate"
    assert record_missing(laboratory.params, laboratory.results, ["train", "evaluate", "animate"]) == []


def test_a_run_with_other_points_is_not_this_results(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_the_tracker(laboratory, store, monkeypatch)
    (parent,) = store.parents()
    store.client.log_metric(store.children(parent)[2].info.run_id, "train/return", 1e6, step=2)
    record_all(laboratory)
    assert len(store.parents()) == 2


def test_a_run_with_other_parameters_is_not_this_results(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_the_tracker(laboratory, store, monkeypatch)
    params = json.loads(json.dumps(laboratory.params))
    params["agent"]["lr_actor"] = 0.123
    record("train", params, laboratory.results)
    assert len(store.parents()) == 2


def test_a_training_that_is_alive_is_left_alone(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_the_tracker(laboratory, store, monkeypatch)
    with FileLock(pretend_killed(store)):
        record_all(laboratory)
    assert len(store.parents()) == 2


def with_workers(laboratory: Laboratory, workers: int) -> dict[str, Any]:
    params: dict[str, Any] = json.loads(json.dumps(laboratory.params))
    params["train"] |= {"workers": workers, "checkpoint_every": workers}
    return params


def test_it_may_resume_with_other_workers(
    laboratory: Laboratory, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt(laboratory, 3)
    with LiveTraining(with_workers(laboratory, 1), KEY) as tracker:
        tracker.finish(laboratory.results)
    assert capsys.readouterr().err == ""
    assert_one_complete_run(laboratory, store)


def test_a_training_with_other_seeds_is_another(laboratory: Laboratory, store: Store) -> None:
    interrupt(laboratory, 3)
    interrupt(laboratory.with_seeds(1, 2), 3)
    assert len(store.parents()) == 2


def test_a_lost_training_may_be_recorded_with_other_workers(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_the_tracker(laboratory, store, monkeypatch)
    record("evaluate", with_workers(laboratory, 1), laboratory.results)
    assert_one_complete_run(laboratory, store)


def retry_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(live, "_BATCH_SECONDS", 0.05)


def test_a_run_whose_creation_was_not_answered_is_found(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    retry_soon(monkeypatch)
    create, lost = client.Experiment.create_run, []

    def answer_too_late(self: client.Experiment, tags: Any, name: str | None, start_time: int | None) -> str:
        run = create(self, tags, name, start_time)
        if name not in lost:
            lost.append(name)
            raise TimeoutError
        return run

    monkeypatch.setattr(client.Experiment, "create_run", answer_too_late)
    with LiveTraining(laboratory.params, KEY) as tracker:
        wait_until(lambda: len(lost) == 1 + len(laboratory.seeds))
        tracker.finish(laboratory.results)
    assert_one_complete_run(laboratory, store)
    assert len(store.runs()) == 1 + len(laboratory.seeds)


def test_a_run_whose_parameters_fail_at_first_is_not_doubled(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    retry_soon(monkeypatch)
    add, failures = client.Experiment.add_params, []

    def fail(self: client.Experiment, run: str, params: dict[str, str]) -> None:
        if len(failures) < 3:
            failures.append(run)
            raise TimeoutError
        add(self, run, params)

    monkeypatch.setattr(client.Experiment, "add_params", fail)
    with LiveTraining(laboratory.params) as tracker:
        wait_until(lambda: len(failures) == 3)
        tracker.finish(laboratory.results)
    assert_one_complete_run(laboratory, store)


def test_a_picture_that_was_not_answered_is_not_doubled(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    retry_soon(monkeypatch)
    add, lost = client.Experiment.add_picture, []

    def answer_too_late(self: client.Experiment, run: str, step: int, picture: Any) -> None:
        add(self, run, step, picture)
        if not lost:
            lost.append(step)
            raise TimeoutError

    monkeypatch.setattr(client.Experiment, "add_picture", answer_too_late)
    with LiveTraining(laboratory.params | {"tracking": {"pictures_every_n_episodes": 2}}) as tracker:
        for episode in laboratory.records(1):
            tracker.log_episode(1, episode, networks(episode["episode"]))
        wait_until(lambda: len(store.runs()) > 0 and pictured_episodes(store).get(1) == [0, 2, 4, 6])
    assert pictured_episodes(store)[1] == [0, 2, 4, 6]


def test_an_interrupted_recording_from_files_is_resumed(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def die(*_: Any) -> None:
            patch.setattr(client.Experiment, "client", property(lambda _: 1 / 0))
            raise OSError

        patch.setattr(client.Experiment, "close", die)
        record("train", laboratory.params, laboratory.results)
    assert store.parents()[0].info.status == "RUNNING"
    record_all(laboratory)
    assert_one_complete_run(laboratory, store)
