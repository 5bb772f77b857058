from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

from ddpg.evaluation.rollouts import run_episodes
from ddpg.visualizations.phase_portrait import _can_set_state, _displacements, _limits, draw_phase_portrait


class Plane(gym.Env[Any, Any]):
    """In a step, the first dimension grows by the action, the second by one; above 8 in the second it ends."""

    action_space = gym.spaces.Box(-2, 2, (1,))
    observation_space = gym.spaces.Box(np.array([-10, -np.inf], np.float32), np.array([10, np.inf], np.float32))

    def reset(self, *, seed: int | None = None, **_: Any) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.state = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return self.state.copy(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        # In place, as an environment may.
        self.state += [action[0], 1]
        ended = bool(self.state[1] > 8)
        return self.state.copy(), 1.0, ended, False, {"is_success": ended}


class Hidden(Plane):
    """Its transitions depend on more than its attribute `state`."""

    def reset(self, **options: Any) -> Any:
        self.n_steps = 0
        return super().reset(**options)

    def step(self, action: NDArray[np.float32]) -> Any:
        self.n_steps += 1
        self.state[1] += self.n_steps
        return super().step(action)


def halve(observations: NDArray[Any]) -> NDArray[np.float32]:
    return np.clip(-observations[:, :1] / 2, -2, 2).astype(np.float32)


def record(env: gym.Env[Any, Any], action_repeat: int, n: int = 2) -> list[Any]:
    return run_episodes(halve, [env], list(range(n)), action_repeat)


def test_displacements_are_those_of_an_agent_step() -> None:
    env = gym.wrappers.TimeLimit(Plane(), 5)
    env.reset(seed=0)
    x, y = np.array([-2.0, 0.0, 1.0]), np.array([0.0, 6.0, 7.5])
    u, v = _displacements(env, halve, x, y, [0, 1], action_repeat=3)
    # From 6, the third step would end it; from 7.5, the first does.
    np.testing.assert_allclose(u, [[3, 0, -1.5], [3, 0, -1.5], [np.nan] * 3])
    np.testing.assert_allclose(v, [[3, 3, 3], [3, 3, 3], [np.nan] * 3])
    u, v = _displacements(env, halve, x, y + 0.7, [0, 1], action_repeat=3)
    np.testing.assert_allclose(v[1], [2, 2, 2], atol=1e-6)
    np.testing.assert_allclose(u[1], [2, 0, -1], atol=1e-6)


def test_axes_can_be_exchanged() -> None:
    env = Plane()
    env.reset(seed=0)
    u, v = _displacements(env, halve, np.array([0.0]), np.array([-2.0, 1.0]), [1, 0], action_repeat=1)
    assert u.tolist() == [[1], [1]]
    assert v.tolist() == [[1], [-0.5]]


def test_whether_the_state_can_be_set_is_checked_with_a_recording() -> None:
    mountain_car = gym.make("MountainCarContinuous-v0")
    for env in (Plane(), mountain_car):
        recorded, *_ = record(env, 3)
        assert _can_set_state(env, recorded, 3)
        assert not _can_set_state(env, recorded, 2)
    for env in (Hidden(), gym.make("Pendulum-v1", max_episode_steps=20)):
        assert not _can_set_state(env, record(env, 1)[0], 1)
    doubled = gym.wrappers.TransformObservation(mountain_car, lambda observation: 2 * observation, None)
    assert not _can_set_state(doubled, record(doubled, 3)[0], 3)


def test_limits_are_the_bounds_or_what_was_visited() -> None:
    episodes = record(Plane(), 1)
    heights = np.concatenate([episode.observations[:, 1] for episode in episodes])
    (x_low, x_high), (y_low, y_high) = _limits(Plane(), episodes, [0, 1])
    assert (x_low, x_high) == (-10, 10)
    margin = 0.05 * (heights.max() - heights.min())
    np.testing.assert_allclose([y_low, y_high], [heights.min() - margin, heights.max() + margin], atol=1e-4)


def test_says_what_the_arrows_are_and_how_episodes_ended(tmp_path: Path) -> None:
    path = tmp_path / "portrait.svg"
    texts = {}
    for env in (Plane(), gym.make("Pendulum-v1", max_episode_steps=20)):
        draw_phase_portrait(env, halve, record(env, 2), path, 2, y_dimension=1)
        texts[type(env)] = path.read_text()
    field, recorded = texts.values()
    assert "streamlines of the displacement in an agent step of 2 environment steps" in field
    assert "<!-- goal reached -->" in field
    assert "<!-- end -->" not in field
    assert "agent steps of 2 environment steps, as recorded" in recorded
    assert "<!-- sin angle -->" in recorded
    assert "<!-- torque (N m) -->" in recorded
    assert "<!-- end -->" in recorded


def test_at_least_one_episode_is_required(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="episodes: expected at least one, received none"):
        draw_phase_portrait(Plane(), halve, [], tmp_path / "a.png")


def test_a_state_of_one_dimension_is_drawn_against_its_change(tmp_path: Path) -> None:
    env = gym.wrappers.TransformObservation(
        gym.wrappers.TimeLimit(Plane(), 5), lambda observation: observation[:1], gym.spaces.Box(-10, 10, (1,))
    )
    path = tmp_path / "portrait.svg"
    draw_phase_portrait(env, halve, record(env, 1), path)
    assert "<!-- change of observation 0 -->" in path.read_text()
    assert "agent steps of 1 environment step, as recorded" in path.read_text()
