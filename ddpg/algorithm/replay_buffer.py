"""The replay buffer: transitions in preallocated rows, and running statistics of their rewards."""

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

RewardNormalization = Literal["standardize", "scale", "none"]


class Transition(NamedTuple):
    """n transitions, as NumPy arrays, or as tensors in a compiled function."""

    observation: Any
    """Shape (n, observation size), scaled."""
    action: Any
    """Shape (n, action size), scaled."""
    reward: Any
    """Shape (n, 1)."""
    next_observation: Any
    """Shape (n, observation size), scaled."""
    terminal: Any
    """Shape (n, 1): 1 at the end of the task, where nothing is bootstrapped; else 0."""

    @classmethod
    def from_rows(cls, rows: Any, observation_size: int, action_size: int) -> "Transition":
        """Splits rows of shape (n, `row_width`) into columns: views, not copies."""
        action, reward = observation_size, observation_size + action_size
        next_observation, terminal = reward + 1, reward + 1 + observation_size
        return cls(
            rows[:, :action],
            rows[:, action:reward],
            rows[:, reward:next_observation],
            rows[:, next_observation:terminal],
            rows[:, terminal:],
        )


def row_width(observation_size: int, action_size: int) -> int:
    """The number of values in one transition."""
    return 2 * observation_size + action_size + 2


class ReplayBuffer:
    """The last `capacity` transitions, one row each, so that a batch is a single array.

    Reward statistics cover every reward ever added, by Welford's method (Technometrics 4(3), 1962).
    """

    def __init__(self, capacity: int, observation_size: int, action_size: int) -> None:
        self.capacity = capacity
        self.observation_size = observation_size
        self.action_size = action_size
        self.rows = np.zeros((capacity, row_width(observation_size, action_size)), np.float32)
        self.n_added = 0
        self.reward_mean = 0.0
        self._reward_squares = 0.0

    def __len__(self) -> int:
        return min(self.n_added, self.capacity)

    def add(
        self,
        observation: NDArray[Any],
        action: NDArray[Any],
        reward: float,
        next_observation: NDArray[Any],
        terminal: bool,
    ) -> None:
        """Adds a transition, which replaces the oldest if the buffer is full."""
        row = self.rows[self.n_added % self.capacity]
        row[: self.observation_size] = observation
        row[self.observation_size : self._reward_column] = action
        row[self._reward_column] = reward
        row[self._reward_column + 1 : -1] = next_observation
        row[-1] = terminal
        self.n_added += 1
        deviation = reward - self.reward_mean
        self.reward_mean += deviation / self.n_added
        self._reward_squares += deviation * (reward - self.reward_mean)

    @property
    def _reward_column(self) -> int:
        return self.observation_size + self.action_size

    @property
    def reward_std(self) -> float:
        """Standard deviation of every reward ever added; 1 while all are equal, so that it can divide."""
        variance = self._reward_squares / max(self.n_added, 1)
        return math.sqrt(variance) if variance > 1e-12 else 1.0

    def sample(
        self, batch_size: int, rng: np.random.Generator, normalization: RewardNormalization = "none"
    ) -> NDArray[np.float32]:
        """Rows drawn uniformly with replacement, shape (batch_size, `row_width`), their rewards normalised."""
        rows = self.rows.take(rng.integers(len(self), size=batch_size), axis=0)
        if normalization == "standardize":
            rows[:, self._reward_column] -= self.reward_mean
        if normalization != "none":
            rows[:, self._reward_column] /= self.reward_std
        return rows

    def state_dict(self) -> dict[str, Any]:
        """The transitions, as a view, and the reward statistics."""
        return {
            "rows": self.rows[: len(self)],
            "n_added": self.n_added,
            "reward_mean": self.reward_mean,
            "reward_squares": self._reward_squares,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what `state_dict` returned.

        Raises:
            ValueError: It is that of a buffer of another width or capacity.
        """
        rows = state["rows"]
        if rows.shape != (min(state["n_added"], self.capacity), *self.rows.shape[1:]):
            raise ValueError(f"rows: expected shape {self.rows.shape}, received {rows.shape}")
        self.rows[: len(rows)] = rows
        self.n_added = state["n_added"]
        self.reward_mean, self._reward_squares = state["reward_mean"], state["reward_squares"]
