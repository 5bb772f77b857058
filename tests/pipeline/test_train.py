import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from ddpg.algorithm.policy import Policy
from ddpg.history import TrainingHistory
from pipeline import results
from pipeline.errors import StageError
from pipeline.execution import seed_store, workers
from pipeline.train import _failure, in_order_of, summarize, train, train_seeds, warnings_about
from tests.pipeline.execution.tasks import living
from tests.pipeline.small import copy_project, params, write_params


class Untracked:
    """Takes the tracker's place and keeps what it receives."""

    def __init__(self, params, key=None):
        self.key = key
        self.episodes, self.networks, self.timings = [], {}, None
        Untracked.last = self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.error = error[0]

    def log_episode(self, seed, record, networks):
        self.episodes.append((seed, record["episode"]))
        self.networks[seed, record["episode"]] = networks

    def finish(self, results, timings):
        self.timings = timings


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def broken(identifier):
    return params(
        environment={"id": f"tests.broken_env:{identifier}"},
        seeds=[7],
        train={"run_tests": False, "n_validation_episodes": 0},
    )


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr("pipeline.train.LiveTraining", Untracked)
    monkeypatch.setattr("pipeline.train.record_stage", lambda *_: None)
    return tmp_path


@pytest.mark.slow
def test_writes_every_seed_with_the_same_bytes_whatever_the_workers_the_other_seeds_and_what_is_reused(project):
    tensorflow_before = sys.modules.get("tensorflow")
    train(params(seeds=[2, 3], train={"workers": 2}))
    tables = pd.read_csv("results/train/episodes.csv")
    assert tables["seed"].tolist() == [2, 2, 2, 3, 3, 3]
    assert tables["episode"].tolist() == [1, 2, 3] * 2
    assert sorted(Untracked.last.episodes) == [(seed, episode) for seed in (2, 3) for episode in (1, 2, 3)]
    assert Untracked.last.timings["train_seconds"] > 0
    assert Untracked.last.key
    assert not list((project / ".seeds").rglob("checkpoints"))
    assert sys.modules.get("tensorflow") is tensorflow_before
    for seed in (2, 3):
        history = TrainingHistory.load(results.seed_folder(seed) / "history.npz")
        for episode in history.training_episodes:
            sent = Untracked.last.networks[seed, episode.episode]
            assert sent.training_episodes == sent.test_episodes == []
            # The one at the very end of training is taken after the last episode was sent.
            taken = list(range(10, episode.last_step + 1, 10))
            assert [snapshot.step for snapshot in sent.snapshots] == taken[-1:]
        assert [episode.score for episode in history.training_episodes] == pytest.approx(
            tables[tables["seed"] == seed]["training_return"], rel=1e-5
        )
        assert history.snapshots
        for name in ("best", "final"):
            assert Policy.load(results.seed_folder(seed) / name)(np.zeros((1, 2))).shape == (1, 1)
    assert len(contents(results.seed_folder(3))) == 11
    written = contents(results.TRAIN)

    shutil.rmtree(".seeds")
    train(params(seeds=[3, 1], train={"workers": 1}))
    assert not results.seed_folder(2).exists()
    assert pd.read_csv("results/train/episodes.csv")["seed"].tolist() == [3, 3, 3, 1, 1, 1]
    train(params(seeds=[2, 3]))  # of which 3 is reused
    assert contents(results.TRAIN) == written
    train(params(seeds=[2, 3]))
    assert contents(results.TRAIN) == written


class Workers:
    """Takes the place of the worker processes, and notes which seeds they were given."""

    def __init__(self):
        self.given, self.fail_at = [], None

    def run(self, tasks, n_workers, prepare, perform, **options):
        self.given = list(tasks)
        assert all(task.inputs.key() == task.directory.parent.name for task in tasks.values() if task.directory)
        for seed, task in tasks.items():
            if seed == self.fail_at:
                raise KeyboardInterrupt
            folder = results.seed_folder(seed)
            folder.mkdir()
            TrainingHistory(("x",), ("u",), np.zeros(1), np.ones(1)).save(folder / "history.npz")
            records = [self.record(task.params, seed, episode) for episode in (1, 2)]
            if task.directory:
                seed_store.store(task.directory, folder, records)
            for record in records:
                yield seed, (record, None)

    def record(self, params, seed, episode):
        record = {"episode": episode, "training_return": params.agent.lr_actor / seed, "test_return": 0.1 + 0.2}
        steps = {"agent_steps": 7 * episode, "environment_steps": 9 * episode, "updates": 5}
        return record | steps | {"validation_return": np.nan, "is_best": False, "reached_goal": False}


@pytest.fixture
def pool(project, monkeypatch):
    pool = Workers()
    monkeypatch.setattr(workers, "run", pool.run)
    return pool


def test_only_seeds_that_were_never_trained_are_trained(pool, capsys):
    def trained(seeds, **changes):
        pool.given = []
        train(params(seeds=seeds, **changes))
        return pool.given

    assert trained([1, 2]) == [1, 2]
    written = contents(results.TRAIN)
    assert trained([1, 2, 6]) == [6]
    assert "seed 2: already trained, reused" in capsys.readouterr().err
    assert sorted(Untracked.last.episodes) == [(seed, episode) for seed in (1, 2, 6) for episode in (1, 2)]
    assert trained([2, 1], agent={"lr_actor": 0.5}) == [2, 1]
    assert trained([1, 2]) == []
    assert contents(results.TRAIN) == written
    assert trained([1, 2], train={"checkpoint_every": 0, "workers": 1}) == []


def test_the_time_of_training_is_known_only_if_nothing_was_reused_or_resumed(pool):
    def timings(*seeds):
        train(params(seeds=seeds))
        return list(Untracked.last.timings)

    assert timings(1) == ["train_seconds"]
    assert timings(1, 2) == []
    pool.fail_at = 3
    with pytest.raises(KeyboardInterrupt):
        timings(3)
    (folder,) = (results.RESULTS.parent / ".seeds").glob("*/3")
    seed_store.checkpoint_directory(folder).mkdir()
    pool.fail_at = None
    assert timings(3) == []


def test_if_all_seeds_are_reused_their_results_are_recorded_without_a_training(pool, monkeypatch):
    train(params(seeds=[1, 2]))
    opened, recorded = Untracked.last, []

    def record_stage(stage, settings, folder):
        recorded.append((stage, settings["seeds"], folder))

    monkeypatch.setattr("pipeline.train.record_stage", record_stage)
    train(params(seeds=[2, 1]))
    assert recorded == [("train", [2, 1], results.RESULTS)]
    assert pd.read_csv("results/train/episodes.csv")["seed"].tolist() == [2, 2, 1, 1]
    assert Untracked.last is opened


def test_an_interruption_leaves_the_finished_seeds_trained(pool):
    pool.fail_at = 3
    with pytest.raises(KeyboardInterrupt):
        train(params(seeds=[1, 2, 3, 4]))
    pool.fail_at = None
    train(params(seeds=[1, 2, 3, 4]))
    assert pool.given == [3, 4]


def test_a_damaged_seed_is_trained_again(pool):
    train(params(seeds=[1, 2]))
    written = contents(results.TRAIN)
    (file,) = (results.TRAIN.parent.parent / ".seeds").glob("*/2/*/history.npz")
    file.write_bytes(file.read_bytes()[:-1])
    train(params(seeds=[1, 2]))
    assert pool.given == [2]
    assert contents(results.TRAIN) == written


@pytest.mark.slow
def test_the_command_trains_what_is_missing_and_mlflow_holds_all_seeds(tmp_path, migrated_store):
    from mlflow import MlflowClient

    copy_project(tmp_path)
    shutil.copy(migrated_store, tmp_path / "mlflow.db")
    for seeds, reused in (([2], []), ([3, 2], [2])):
        write_params(tmp_path, seeds=seeds)
        command = [sys.executable, "-m", "pipeline.train"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, env=environment())
        assert [line for line in done.stderr.splitlines() if "reused" in line] == [
            f"seed {seed}: already trained, reused" for seed in reused
        ]
        assert [seed for seed in seeds if f"seed {seed}: episode" in done.stderr] == [
            seed for seed in seeds if seed not in reused
        ]
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("MountainCarContinuous-v0").experiment_id])
    # search_runs lists the newest first.
    parent = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert sorted(child.data.tags["seed"] for child in children) == ["2", "3"]
    for child in children:
        points = client.get_metric_history(child.info.run_id, "test/return")
        assert sorted(point.step for point in points) == [1, 2, 3]


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_", "PYTHONPATH"))}


@pytest.mark.slow
def test_an_environment_that_raises_twice_fails_the_stage_names_the_seed_and_leaves_no_process(project, capfd):
    with pytest.raises(StageError) as error:
        train(broken("Broken-v0"))
    assert str(error.value).splitlines() == [
        "train: seed 7 failed twice, the last time in episode 2: ZeroDivisionError: the environment broke",
        "Finished seeds and the checkpoints of the others are kept: `dvc repro` resumes from them, unless what it "
        "depends on changes.",
    ]
    assert "in step" in error.value.details
    assert "seed 7 failed in episode 2 (ZeroDivisionError: the environment broke); retrying" in capfd.readouterr().err
    assert Untracked.last.error is StageError
    assert Untracked.last.episodes == [(7, 1)]
    assert not living()


@pytest.mark.slow
def test_nan_fails_the_stage_without_a_retry_and_keeps_what_was_logged(project):
    with pytest.raises(StageError, match=r"seed 7 failed in episode 2: NotFiniteError: training episode 2: .* nan"):
        train(broken("NotANumber-v0"))
    assert Untracked.last.episodes == [(7, 1)]


@pytest.mark.slow
def test_a_seed_whose_worker_is_killed_resumes_from_its_checkpoint_once(project, capfd):
    records = train_seeds(
        params(train={"workers": 1, "n_episodes": 3000, "checkpoint_every": 1}), {7: project / "directory"}
    )
    episodes = []
    for kills in (1, 2):
        for _ in range(3):
            episodes.append(next(records)[1]["episode"])
        for process in living():
            process.kill()
        if kills == 1:
            while episodes[-1] < 20:  # beyond what its pipe held
                episodes.append(next(records)[1]["episode"])
    assert episodes == list(range(1, len(episodes) + 1))
    assert "seed 7: resumed from its checkpoint after episode" in capfd.readouterr().err
    with pytest.raises(StageError, match=r"seed 7 failed twice.* killed by SIGKILL.*\nTry a smaller train.workers"):
        list(records)


@pytest.mark.parametrize("cause", ["MemoryError: Unable to allocate", "ResourceExhaustedError: OOM when allocating"])
def test_out_of_memory_errors_come_with_advice(cause):
    failure = _failure(workers.TaskError(7, cause, "", 2), 3, is_stored=False)
    assert "Try a smaller train.workers" in str(failure)


def test_other_errors_come_without_it():
    assert "train.workers" not in str(_failure(workers.TaskError(7, "KeyError: 'room'", "", 2), 3, is_stored=False))


@pytest.mark.slow
def test_closing_the_generator_terminates_the_workers(project):
    records = train_seeds(params(train={"workers": 1, "n_episodes": 3000}), {7: None})
    next(records)
    processes = living()
    assert processes
    records.close()
    for process in processes:
        process.join(timeout=5)
        assert not process.is_alive()


def test_rows_are_in_the_order_of_the_parameters():
    rows = [{"seed": seed, "episode": episode} for episode in (1, 2) for seed in (1, 5)]
    assert in_order_of([5, 1], rows).to_numpy().tolist() == [[5, 1], [5, 2], [1, 1], [1, 2]]


def test_metrics_are_means_over_seeds():
    rows = [
        {
            "seed": seed,
            "episode": episode,
            "training_return": 10.0 * seed + episode,
            "test_return": np.nan,
            "validation_return": np.nan if episode == 1 else 100.0 * seed + episode,
            "environment_steps": 50 * episode * seed,
            "reached_goal": episode > 6,
            # The last one retired from its validation.
            "is_best": 1 < episode < 12,
        }
        for seed in (1, 2)
        for episode in range(1, 13)
    ]
    metrics = summarize(pd.DataFrame(rows))
    assert metrics == {
        "goal_reached_share": 0.5,
        "environment_steps_mean": 900.0,
        "training_return_last_10_iqm": 15 + 7.5,
        "validation_return_best_iqm": 161.0,
    }
    json.dumps(metrics)


def test_a_seed_that_never_learned_is_named():
    episodes = pd.DataFrame(
        {"seed": [1, 1, 2, 2], "updates": [0, 5, 0, 0], "agent_steps": [9, 19, 8, 18], "reached_goal": [True, True] * 2}
    )
    (warning,) = warnings_about(episodes)
    assert warning.startswith("seed 2 never learned: it made 18 agent steps and reached the goal in 2 episodes")
