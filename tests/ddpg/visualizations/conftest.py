"""A small history: three training episodes of 4, 6 and 5 agent steps, each with a test, snapshots every 2nd step."""

from collections.abc import Callable

import numpy as np
import pytest

from ddpg.history import EpisodeHistory, GridAxes, Snapshot, TrainingHistory

LENGTHS = (4, 6, 5)
TEST_LENGTH = 3


def make_episode(
    number: int, first_step: int, n_steps: int, size: int, reward: float, n_actions: int = 1
) -> EpisodeHistory:
    rng = np.random.default_rng(10 * number + n_steps)
    return EpisodeHistory(
        episode=number,
        epsilon=1 / number,
        first_step=first_step,
        observations=rng.uniform(-1, 1, (n_steps + 1, size)),
        actions=rng.uniform(-1, 1, (n_steps, n_actions)),
        rewards=np.full(n_steps, reward),
        environment_steps=n_steps,
        terminated=False,
        truncated=True,
    )


def make_history(size: int = 2, n_y: int = 4, n_actions: int = 1) -> TrainingHistory:
    history = TrainingHistory(
        observation_names=tuple(f"state {i}" for i in range(size)),
        action_names=("force",) if n_actions == 1 else tuple(f"force {i}" for i in range(n_actions)),
        action_low=np.full(n_actions, -2.0),
        action_high=np.full(n_actions, 2.0),
        reward_threshold=8.0,
        grid=GridAxes(np.linspace(-1, 1, 4), np.linspace(-1, 1, n_y) if n_y > 1 else np.zeros(1), 0, 1, 0),
    )
    first_step = 0
    for number, length in enumerate(LENGTHS, start=1):
        history.training_episodes.append(make_episode(number, first_step, length, size, number, n_actions))
        history.test_episodes.append(
            make_episode(number, first_step + length, TEST_LENGTH, size, 2 * number + 1, n_actions)
        )
        for step in range(first_step + 1, first_step + length + 1):
            if step % 2 == 0:
                history.snapshots.append(make_snapshot(step, number, n_y, n_actions))
        first_step += length
    return history


def make_snapshot(step: int, episode: int, n_y: int, n_actions: int = 1) -> Snapshot:
    """Policy -1 in the lower left cell, 0 elsewhere; the greatest Q grows with the step."""
    grid = np.zeros((n_y, 4))
    policy = np.zeros((n_y, 4, n_actions))
    policy[0, 0] = -1
    return Snapshot(step, episode, grid + step, grid + 1, grid, policy * 0 + 0.5, policy)


@pytest.fixture
def history() -> TrainingHistory:
    return make_history()


@pytest.fixture
def history_of() -> Callable[..., TrainingHistory]:
    """Makes histories with other numbers of state dimensions, grid rows and actions."""
    return make_history
