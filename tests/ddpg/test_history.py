import zipfile

import numpy as np
import pytest

from ddpg import DDPG
from ddpg.files import DamagedFileError
from ddpg.history import (
    EpisodeHistory,
    GridAxes,
    NetworkWeights,
    Snapshot,
    TrainingHistory,
    load_arrays,
    load_episodes,
    save_arrays,
    save_episodes,
)
from tests.probes import Counter


def episode(number, n, **changes):
    rng = np.random.default_rng(number)
    values = {
        "episode": number,
        "epsilon": 0.5,
        "first_step": 10 * number,
        "observations": rng.normal(size=(n + 1, 2)).astype(np.float32),
        "actions": rng.normal(size=(n, 1)).astype(np.float32),
        "rewards": rng.normal(size=n),
        "environment_steps": 3 * n,
        "terminated": True,
        "truncated": False,
    }
    return EpisodeHistory(**values | changes)


def history(snapshots=2):
    grids = [np.full((3, 4), i, np.float32) for i in range(3)] + [np.full((3, 4, 1), 5, np.float32)] * 2
    return TrainingHistory(
        ("position", "velocity"),
        ("force",),
        np.array([-1.0]),
        np.array([2.0]),
        reward_threshold=90.0,
        training_episodes=[episode(1, 4), episode(2, 7)],
        test_episodes=[episode(1, 2)],
        snapshots=[Snapshot(10 * i, i, *grids) for i in range(snapshots)],
        weights=[NetworkWeights(10 * i, np.arange(3.0) + i) for i in range(snapshots)],
        grid=GridAxes(np.arange(4.0), np.arange(3.0), 0, 1, 0, 7, np.array([0.5, 2.0])) if snapshots else None,
        networks={"actor": [{"kind": "tanh"}], "n_weights": 3} if snapshots else None,
    )


def assert_same(a, b):
    for x, y in zip(a, b, strict=True):
        for name, value in vars(x).items():
            np.testing.assert_array_equal(value, getattr(y, name), err_msg=name)


def test_counts():
    assert episode(2, 7).last_step == 27
    assert history().n_steps == 27
    assert episode(1, 2, rewards=np.array([1.5, -4.0])).score == -2.5


@pytest.mark.parametrize(
    ("terminated", "last_reward", "reached"), [(True, 100.0, True), (True, -100.0, False), (False, 100.0, False)]
)
def test_a_goal_is_an_end_that_pays(terminated, last_reward, reached):
    assert episode(1, 2, terminated=terminated, rewards=np.array([-1.0, last_reward])).reached_goal is reached


@pytest.mark.parametrize("snapshots", [0, 3])
def test_survives_a_file(tmp_path, snapshots):
    original = history(snapshots)
    original.save(tmp_path / "history.npz")
    again = TrainingHistory.load(tmp_path / "history.npz")
    assert_same(original.training_episodes, again.training_episodes)
    assert_same(original.test_episodes, again.test_episodes)
    assert (again.observation_names, again.action_names, again.reward_threshold) == (
        ("position", "velocity"),
        ("force",),
        90.0,
    )
    assert len(again.snapshots) == snapshots
    for a, b in zip(original.snapshots, again.snapshots, strict=True):
        for value, expected in zip(b, a, strict=True):
            np.testing.assert_array_equal(value, expected)
    assert again.networks == original.networks
    for a, b in zip(original.weights, again.weights, strict=True):
        assert a.step == b.step
        np.testing.assert_array_equal(a.values, b.values)
    if snapshots:
        assert again.grid.n_actions == 7
        np.testing.assert_array_equal(again.grid.reference_state, [0.5, 2.0])
        assert (again.grid.x_dimension, again.grid.y_dimension, again.grid.action_dimension) == (0, 1, 0)
        np.testing.assert_array_equal(again.grid.x, original.grid.x)
    else:
        assert again.grid is None


def test_a_history_of_earlier_versions_has_no_weights_and_the_default_line_of_actions(tmp_path):
    added = {"networks", "weights_step", "weights_values", "grid_n_actions", "grid_reference_state"}
    arrays = history().to_arrays()
    save_arrays(tmp_path / "history.npz", {name: array for name, array in arrays.items() if name not in added})
    again = TrainingHistory.load(tmp_path / "history.npz")
    assert (again.networks, again.weights, len(again.snapshots)) == (None, [], 2)
    assert (again.grid.n_actions, again.grid.reference_state.size) == (11, 0)


def test_same_history_is_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        history().save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        # Without the extension for large files, which patch versions of Python write differently.
        assert {(entry.extract_version, entry.extra) for entry in archive.infolist()} == {(20, b"")}


def test_no_threshold_stays_none(tmp_path):
    original = history()
    original.reward_threshold = None
    original.save(tmp_path / "history.npz")
    assert TrainingHistory.load(tmp_path / "history.npz").reward_threshold is None


def test_episodes_survive_a_file(tmp_path):
    episodes = [episode(0, 3), episode(0, 1)]
    save_episodes(tmp_path / "episodes.npz", episodes)
    assert_same(episodes, load_episodes(tmp_path / "episodes.npz"))


@pytest.mark.parametrize("load", [TrainingHistory.load, load_episodes])
def test_names_a_file_that_is_missing_or_something_else(tmp_path, load):
    path = tmp_path / "history.npz"
    with pytest.raises(FileNotFoundError):
        load(path)
    path.write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match=r"history\.npz: expected arrays"):
        load(path)
    np.savez(path, episodes_n_steps=np.array([1]), other=np.arange(3))
    with pytest.raises(ValueError, match=r"history\.npz: expected .* received something else"):
        load(path)
    np.savez(path, reward_threshold=np.array([{"an": "object"}], dtype=object))
    with pytest.raises(ValueError, match=r"history\.npz"):
        load(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reward_threshold", [1.0, 2.0]),
        ("action_names", 3),
        ("action_low", ["x"]),
        ("action_high", []),
        ("grid_x", 3.0),
        ("grid_x_dimension", 7),
        ("grid_action_dimension", 1),
        ("grid_reference_state", [1.0]),
        ("networks", "{"),
        ("networks", "[]"),
        ("weights_values", np.zeros((3, 2))),
        ("weights_step", [1]),
        ("snapshot_q_max", [1.0]),
        ("snapshot_policy", np.zeros((3, 1, 1))),
    ],
)
def test_arrays_that_do_not_agree_are_refused_by_name(tmp_path, name, value):
    path = tmp_path / "history.npz"
    save_arrays(path, history(3).to_arrays() | {name: np.asarray(value)})
    with pytest.raises(DamagedFileError, match=r"history\.npz: expected a training history"):
        TrainingHistory.load(path)


def ended(rewards, *, terminated=True, is_success=None):
    n = len(rewards)
    return EpisodeHistory(
        1,
        0.0,
        0,
        np.zeros((n + 1, 2)),
        np.zeros((n, 1)),
        np.array(rewards, float),
        n,
        terminated,
        not terminated,
        is_success,
    )


def test_a_goal_is_what_the_environment_says_or_a_prize():
    assert ended([-0.1] * 50 + [100]).reached_goal
    assert not ended([-0.1] * 50 + [100], terminated=False).reached_goal
    # Paid for each step, also for the one in which it fails.
    assert not ended([1.0] * 50).reached_goal
    assert not ended([-1.0] * 50).reached_goal
    assert ended([-1.0] * 50, is_success=True).reached_goal
    assert not ended([-0.1, 100], is_success=False).reached_goal


def test_success_that_the_environment_states_survives_a_file(tmp_path):
    for successes in ([True, False, None], [None, None]):
        episodes = [ended([1.0, 2.0], is_success=success) for success in successes]
        save_episodes(tmp_path / "episodes.npz", episodes)
        assert [each.is_success for each in load_episodes(tmp_path / "episodes.npz")] == successes
    # Without any, the file is as before.
    assert not any("success" in name for name in load_arrays(tmp_path / "episodes.npz"))


def test_what_a_notebook_shows_of_a_history_is_short():
    agent = DDPG(Counter(), seed=1, replay_batch_size=8, replay_buffer_size=64)
    agent.train_n_episodes(2, n_validation_episodes=0)
    assert repr(agent.history) == "TrainingHistory(2 training episodes, 12 agent steps, 2 test episodes, 0 snapshots)"
    assert repr(agent.history.training_episodes[0]) == "EpisodeHistory(episode=1, 6 steps, return 6.00, truncated)"
