"""Whether an environment draws pictures that can be filmed."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from ddpg.environments.interface import Environment, as_action, broken, described, make


def problem(identifier: str, kwargs: Mapping[str, Any]) -> str | None:
    """Why a registered environment cannot be filmed, found by drawing two frames; `None` if it can."""
    try:
        with warnings.catch_warnings(action="ignore"), make(identifier, kwargs, render_mode="rgb_array") as env:
            check_frames(env)
    except Exception as error:  # a renderer raises anything, for instance without a display
        return " ".join(str(error).split()) or type(error).__name__
    return None


def check_frames(env: Environment) -> None:
    """Draws two frames.

    Args:
        env: Made with the render mode `rgb_array`.

    Raises:
        UnsuitableEnvironmentError: They are not pictures of one size.
    """
    env.reset(seed=0)
    first = env.render()
    env.step(as_action(env.action_space, env.action_space.low.ravel()))
    second = env.render()
    for frame in (first, second):
        if not (isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3):
            raise broken("render", "an array of type uint8 and shape (height, width, 3)", described(frame))
    if first.shape != second.shape:
        raise broken("render", f"frames of one size, {first.shape}", f"{second.shape}")
