"""Exploration noise."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Noise(Protocol):
    """What exploration needs of a noise process."""

    def reset(self) -> None:
        """Starts a new episode."""

    def sample(self) -> NDArray[Any]:
        """Draws the next value, shape (size,)."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What lasts from one episode to the next, as arrays and plain values."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what `state_dict` returned."""


class OrnsteinUhlenbeckNoise:
    """The process x ← x + θ(μ − x) + σ·N(0, 1), with a time step of 1 (Uhlenbeck & Ornstein, 1930).

    Its stationary standard deviation is σ / √(θ(2 − θ)).

    Args:
        size: Dimensions, independent of each other.
        mu: Mean, and value after a reset.
        theta: Rate of reversion to the mean, per step.
        sigma: Standard deviation of the random part of a step.
        rng: Source of randomness.
    """

    def __init__(self, size: int, mu: float, theta: float, sigma: float, rng: np.random.Generator) -> None:
        self.size = size
        self.mu = mu
        self.theta = theta
        self.sigma = sigma
        self.rng = rng
        self.reset()

    def reset(self) -> None:
        """Resets the process to its mean, at the start of an episode."""
        self.state: NDArray[Any] = np.full(self.size, self.mu, np.float64)

    def sample(self) -> NDArray[Any]:
        """Draws the next value, shape (size,)."""
        self.state = self.state + self.theta * (self.mu - self.state) + self.sigma * self.rng.standard_normal(self.size)
        return self.state

    def state_dict(self) -> dict[str, Any]:
        """The process's value and its random generator's state."""
        return {"value": self.state, "generator": self.rng.bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        self.state = state["value"]
        self.rng.bit_generator.state = state["generator"]


class GaussianNoise:
    """Independent draws from N(0, σ²), as in TD3 (Fujimoto et al., 2018, arXiv:1802.09477).

    Args:
        size: Dimensions, independent of each other.
        sigma: Standard deviation.
        rng: Source of randomness.
    """

    def __init__(self, size: int, sigma: float, rng: np.random.Generator) -> None:
        self.size = size
        self.sigma = sigma
        self.rng = rng

    def reset(self) -> None:
        """Does nothing: no draw depends on another."""

    def sample(self) -> NDArray[Any]:
        """Draws the next value, shape (size,)."""
        return self.sigma * self.rng.standard_normal(self.size)

    def state_dict(self) -> dict[str, Any]:
        """The random generator's state."""
        return {"generator": self.rng.bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        self.rng.bit_generator.state = state["generator"]
