"""Numbers that are none, noticed where they appear."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

REWARD_LIMIT = float(np.finfo(np.float32).max)
"""The replay buffer holds rewards as float32, in which larger ones are infinite."""


class NotFiniteError(ArithmeticError):
    """An environment gave, or the networks became, NaN or infinity; the message names the quantity and the episode."""


def require_observation(where: str, observation: NDArray[Any]) -> None:
    """Checks what the environment shows.

    Args:
        where: Names the episode.
        observation: Any shape.

    Raises:
        NotFiniteError: It is not finite.
    """
    if not np.isfinite(observation).all():
        raise NotFiniteError(f"{where}: expected a finite observation from the environment, received {observation}")


def require_reward(where: str, reward: float) -> None:
    """Checks what the environment pays, summed over the steps for which an action was held; likewise."""
    if not abs(reward) <= REWARD_LIMIT:  # true for NaN
        raise NotFiniteError(
            f"{where}: expected a reward of at most {REWARD_LIMIT:.3g} from the environment, received {reward:g}"
        )


def require_network(where: str, quantity: str, values: NDArray[Any]) -> None:
    """Checks what the networks hold or give.

    Raises:
        NotFiniteError: They diverged.
    """
    finite = np.isfinite(values)
    if not finite.all():
        raise NotFiniteError(
            f"{where}: expected a finite {quantity}, received {values[~finite].flat[0]:g}; the networks diverged: try "
            "a smaller lr_actor or lr_critic, or another reward_normalization"
        )
