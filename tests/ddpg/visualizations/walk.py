"""An environment with pictures, and recordings of it."""

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ddpg.history import EpisodeHistory

RED, BLUE, GREEN, GREY = (178, 24, 43), (33, 102, 172), (0, 128, 80), (96, 96, 96)


class Walk(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """Adds up actions from a random start; the reward is the position, and the episode ends after `n_steps`."""

    def __init__(self, render_mode: str | None = "rgb_array", n_steps: int = 7, n_actions: int = 1) -> None:
        self.render_mode = render_mode
        self.closed = False
        self.n_steps = n_steps
        self.action_space = gym.spaces.Box(-2, 2, (n_actions,))
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (1,))

    def reset(self, *, seed: int | None = None, **_: Any) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.position = self.np_random.uniform(-1, 1)
        self.step_number = 0
        return np.array([self.position], np.float32), {}

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert action.dtype == np.float32
        self.position += float(action[0])
        self.step_number += 1
        ended = self.step_number == self.n_steps
        return np.array([self.position], np.float32), self.position, ended, False, {}

    def close(self) -> None:
        self.closed = True

    def render(self) -> NDArray[np.uint8]:
        return np.full((90, 480, 3), 10 * self.step_number, np.uint8)


def record(
    seed: int = 5, action: float = 1.5, action_repeat: int = 2, n_actions: int = 1, n_steps: int = 7
) -> EpisodeHistory:
    """With the default values, four agent steps of Walk, the last of one environment step only."""
    env = Walk(n_actions=n_actions, n_steps=n_steps)
    observation, _ = env.reset(seed=seed)
    observations, actions, rewards, ended = [observation], [], [], False
    while not ended:
        actions.append(np.full(n_actions, action, np.float32))
        rewards.append(0.0)
        for _ in range(action_repeat):
            observation, reward, ended, _, _ = env.step(actions[-1])
            rewards[-1] += reward
            if ended:
                break
        observations.append(observation)
    return EpisodeHistory(
        3, 0.0, 0, np.stack(observations), np.stack(actions), np.array(rewards), env.step_number, True, False
    )


def has_colour(frame: NDArray[np.uint8], colour: tuple[int, int, int]) -> bool:
    return bool((frame == colour).all(axis=-1).any())
