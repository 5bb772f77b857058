import json
import sys

import numpy as np
import pandas as pd
import pytest

from ddpg.algorithm.policy import Policy
from ddpg.history import TrainingHistory
from pipeline import results
from pipeline.errors import StageError
from pipeline.execution import workers
from pipeline.train import _failure, in_order_of, summarize, train, train_seeds, warnings_about
from tests.pipeline.execution.tasks import living
from tests.pipeline.small import params


class Untracked:
    """Takes the tracker's place, and keeps what it was told."""

    def __init__(self, params, key=None):
        self.key = key
        self.episodes, self.networks, self.finished = [], {}, False
        Untracked.last = self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.error = error[0]

    def log_episode(self, seed, record, networks):
        self.episodes.append((seed, record["episode"]))
        self.networks[seed, record["episode"]] = networks

    def finish(self, results, timings):
        self.finished = timings["train_seconds"] > 0


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
    return tmp_path


@pytest.mark.slow
def test_writes_every_seed_and_the_same_bytes_with_any_workers_and_beside_any_seed(project):
    tensorflow_before = sys.modules.get("tensorflow")
    train(params(seeds=[2, 3], train={"workers": 2}))
    tables = pd.read_csv("results/train/episodes.csv")
    assert tables["seed"].tolist() == [2, 2, 2, 3, 3, 3]
    assert tables["episode"].tolist() == [1, 2, 3] * 2
    assert sorted(Untracked.last.episodes) == [(seed, episode) for seed in (2, 3) for episode in (1, 2, 3)]
    assert Untracked.last.finished
    assert Untracked.last.key
    assert not (project / ".checkpoints").exists()
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
    kept = contents(results.seed_folder(3))
    assert len(kept) == 11

    train(params(seeds=[3, 1], train={"workers": 1}))
    assert not results.seed_folder(2).exists()
    assert contents(results.seed_folder(3)) == kept
    again = pd.read_csv("results/train/episodes.csv")
    assert again["seed"].tolist() == [3, 3, 3, 1, 1, 1]
    pd.testing.assert_frame_equal(
        again[again["seed"] == 3].reset_index(drop=True), tables[tables["seed"] == 3].reset_index(drop=True)
    )


@pytest.mark.slow
def test_an_environment_that_raises_twice_ends_the_stage_with_the_seeds_name_and_no_process_left(project, capfd):
    with pytest.raises(StageError) as error:
        train(broken("Broken-v0"))
    assert str(error.value).splitlines() == [
        "train: seed 7 failed twice, the last time in episode 2: ZeroDivisionError: the environment broke",
        "All seeds' checkpoints are kept: `dvc repro` goes on from there, unless what it depends on changes. After a "
        "change to the environment's own code, delete the folder .checkpoints first.",
    ]
    assert "in step" in error.value.details
    assert (
        "seed 7 failed in episode 2 (ZeroDivisionError: the environment broke); it is tried" in capfd.readouterr().err
    )
    assert Untracked.last.error is StageError
    assert Untracked.last.episodes == [(7, 1)]
    assert not living()


@pytest.mark.slow
def test_numbers_that_are_none_end_the_stage_at_once_and_keep_what_was_logged(project):
    with pytest.raises(StageError, match=r"seed 7 failed in episode 2: NotFiniteError: training episode 2: .* nan"):
        train(broken("NotANumber-v0"))
    assert Untracked.last.episodes == [(7, 1)]


@pytest.mark.slow
def test_a_seed_whose_worker_is_killed_goes_on_from_its_checkpoint_once(project, capfd):
    records = train_seeds(
        params(seeds=[7], train={"workers": 1, "n_episodes": 3000, "checkpoint_every": 1}), project / "checkpoints"
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
    assert "seed 7: taken up after episode" in capfd.readouterr().err
    with pytest.raises(StageError, match=r"seed 7 failed twice.* ended by SIGKILL.*\nTry a smaller train.workers"):
        list(records)


@pytest.mark.parametrize("cause", ["MemoryError: Unable to allocate", "ResourceExhaustedError: OOM when allocating"])
def test_want_of_memory_is_told_what_helps(cause):
    failure = _failure(workers.TaskError(7, cause, "", 2), 3, None)
    assert "Try a smaller train.workers" in str(failure)


def test_other_causes_have_nothing_to_do_with_memory():
    assert "train.workers" not in str(_failure(workers.TaskError(7, "KeyError: 'room'", "", 2), 3, None))


@pytest.mark.slow
def test_giving_up_ends_the_workers(project):
    records = train_seeds(params(seeds=[7], train={"workers": 1, "n_episodes": 3000}))
    next(records)
    processes = living()
    assert processes
    records.close()
    for process in processes:
        process.join(timeout=5)
        assert not process.is_alive()


def test_rows_stand_in_the_order_of_the_parameters():
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
        }
        for seed in (1, 2)
        for episode in range(1, 13)
    ]
    metrics = summarize(pd.DataFrame(rows))
    assert metrics == {
        "goal_reached_share": 0.5,
        "environment_steps_mean": 900.0,
        "training_return_last_10_iqm": 15 + 7.5,
        "validation_return_best_iqm": 162.0,
    }
    json.dumps(metrics)


def test_a_seed_that_never_learned_is_named():
    episodes = pd.DataFrame(
        {"seed": [1, 1, 2, 2], "updates": [0, 5, 0, 0], "agent_steps": [9, 19, 8, 18], "reached_goal": [True, True] * 2}
    )
    (warning,) = warnings_about(episodes)
    assert warning.startswith("seed 2 never learned: it made 18 agent steps and reached the goal in 2 episodes")
