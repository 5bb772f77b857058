"""Checks for NaN and infinite values where they first appear."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

REWARD_LIMIT = float(np.finfo(np.float32).max)
"""The replay buffer holds rewards as float32, in which larger ones are infinite."""


class NotFiniteError(ArithmeticError):
    """An environment returned, or the networks computed, NaN or infinity; the message names quantity and episode."""


def require_observation(where: str, observation: NDArray[Any]) -> None:
    """Checks an observation of the environment.

    Args:
        where: Names the episode.
        observation: Any shape.

    Raises:
        NotFiniteError: It holds NaN or infinity.
    """
    if not np.isfinite(observation).all():
        raise NotFiniteError(f"{where}: expected a finite observation from the environment, received {observation}")


def require_reward(where: str, reward: float) -> None:
    """Checks a reward, summed over the environment steps of an agent step; likewise."""
    if not abs(reward) <= REWARD_LIMIT:  # true for NaN
        raise NotFiniteError(
            f"{where}: expected a reward of at most {REWARD_LIMIT:.3g} from the environment, received {reward:g}"
        )


def require_network(where: str, quantity: str, values: NDArray[Any]) -> None:
    """Checks weights, losses or actions of the networks.

    Raises:
        NotFiniteError: They hold NaN or infinity: the networks diverged.
    """
    finite = np.isfinite(values)
    if not finite.all():
        raise NotFiniteError(
            f"{where}: expected a finite {quantity}, received {values[~finite].flat[0]:g}; the networks diverged: try "
            "a smaller lr_actor or lr_critic, or another reward_normalization"
        )
