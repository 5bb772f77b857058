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
    """Shape (n, 1): of a step, or the discounted sum over several."""
    next_observation: Any
    """Shape (n, observation size), scaled: after the last of these steps."""
    discount: Any
    """Shape (n, 1): the weight of the value that follows; 0 at the end of the task, where nothing is bootstrapped."""

    @classmethod
    def from_rows(cls, rows: Any, observation_size: int, action_size: int) -> "Transition":
        """Splits rows of shape (n, `row_width`) into columns: views, not copies."""
        action, reward = observation_size, observation_size + action_size
        next_observation, discount = reward + 1, reward + 1 + observation_size
        return cls(
            rows[:, :action],
            rows[:, action:reward],
            rows[:, reward:next_observation],
            rows[:, next_observation:discount],
            rows[:, discount:],
        )


def row_width(observation_size: int, action_size: int) -> int:
    """The number of values in one transition."""
    return 2 * observation_size + action_size + 2


class ReplayBuffer:
    """The last `capacity` transitions, one row each, so that a batch is a single array; their discount is 1 or 0.

    Reward statistics cover every reward ever added, by Welford's method (Technometrics 4(3), 1962).
    """

    def __init__(self, capacity: int, observation_size: int, action_size: int) -> None:
        self.capacity = capacity
        self.observation_size = observation_size
        self.action_size = action_size
        self.rows = np.zeros((capacity, row_width(observation_size, action_size)), np.float32)
        self._ends = np.zeros(capacity, np.bool_)
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
        """Adds a transition, which replaces the oldest if the buffer is full.

        Args:
            observation: Shape (observation size,), scaled.
            action: Shape (action size,), scaled.
            reward: The reward.
            next_observation: As `observation`.
            terminal: The task ended, so that nothing is bootstrapped.
        """
        row = self.rows[self.n_added % self.capacity]
        self._ends[self.n_added % self.capacity] = False
        row[: self.observation_size] = observation
        row[self.observation_size : self._reward_column] = action
        row[self._reward_column] = reward
        row[self._reward_column + 1 : -1] = next_observation
        row[-1] = not terminal
        self.n_added += 1
        deviation = reward - self.reward_mean
        self.reward_mean += deviation / self.n_added
        self._reward_squares += deviation * (reward - self.reward_mean)

    def end_episode(self) -> None:
        """Marks the newest transition as its episode's last."""
        if self.n_added:
            self._ends[self._newest] = True

    @property
    def _newest(self) -> int:
        return (self.n_added - 1) % self.capacity

    @property
    def _reward_column(self) -> int:
        return self.observation_size + self.action_size

    @property
    def reward_std(self) -> float:
        """Standard deviation of every reward ever added; 1 while all are equal, so that it can divide."""
        variance = self._reward_squares / max(self.n_added, 1)
        return math.sqrt(variance) if variance > 1e-12 else 1.0

    def sample(
        self,
        batch_size: int,
        rng: np.random.Generator,
        normalization: RewardNormalization = "none",
        discount_factor: float = 1.0,
        n_steps: int = 1,
    ) -> NDArray[np.float32]:
        """Rows drawn uniformly with replacement, shape (batch_size, `row_width`).

        Args:
            batch_size: Number of rows.
            rng: Source of the draws.
            normalization: Of each reward; see `AgentConfig.reward_normalization`.
            discount_factor: γ.
            n_steps: Steps that a row covers, or fewer up to the end of the episode or the newest transition: its reward
                is r₀ + γ r₁ + … and its discount is γ to the power of their number (Sutton, 1988, Machine Learning 3).
        """
        at = rng.integers(len(self), size=batch_size)
        rows = self._take(at, normalization, discount_factor)
        going = np.arange(batch_size)
        for _ in range(n_steps - 1):
            goes_on = ~self._ends[at] & (at != self._newest)
            going, at = going[goes_on], (at[goes_on] + 1) % self.capacity
            following = self._take(at, normalization, discount_factor)
            discount = rows[going, -1]
            rows[going, self._reward_column] += discount * following[:, self._reward_column]
            rows[going, self._reward_column + 1 : -1] = following[:, self._reward_column + 1 : -1]
            rows[going, -1] = discount * following[:, -1]
        return rows

    def _take(
        self, at: NDArray[np.intp], normalization: RewardNormalization, discount_factor: float
    ) -> NDArray[np.float32]:
        """The rows at these places, their rewards normalised and their discounts times γ."""
        rows = self.rows.take(at, axis=0)
        if normalization == "standardize":
            rows[:, self._reward_column] -= self.reward_mean
        if normalization != "none":
            rows[:, self._reward_column] /= self.reward_std
        rows[:, -1] *= discount_factor
        return rows

    def state_dict(self) -> dict[str, Any]:
        """The transitions, as a view, and the reward statistics."""
        return {
            "rows": self.rows[: len(self)],
            "ends": self._ends[: len(self)],
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
        self.rows[: len(rows)], self._ends[: len(rows)] = rows, state["ends"]
        self.n_added = state["n_added"]
        self.reward_mean, self._reward_squares = state["reward_mean"], state["reward_squares"]
