"""Copies of an environment that do not influence each other, and the state of their random generators."""

import copy
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np

from ddpg.environments.interface import Environment, flat_observation

MAX_COPIES = 50
_TRIAL_STEPS = 5


def copies(env: Environment, n: int) -> list[Environment]:
    """Makes independent copies of an environment, without windows.

    A deep copy keeps changes that were made to the environment. If deep copies share a simulation, for instance by its
    handle, new environments are made from the specification instead.

    Args:
        env: Any environment.
        n: How many; `MAX_COPIES` at most are made.

    Returns:
        The copies; or the environment alone, if there is no way to copy it.
    """
    # A deep copy of an environment with a window would open another.
    has_window = getattr(env, "render_mode", None) == "human"
    for way in (_made_from_spec, copy.deepcopy) if has_window else (copy.deepcopy, _made_from_spec):
        try:
            if _are_independent(way(env), way(env)):
                return [way(env) for _ in range(min(n, MAX_COPIES))]
        except Exception:
            continue
    return [env]


def random_state(env: Environment) -> dict[str, Any] | None:
    """The state of an environment's own random generator; `None` if it has none, or not yet."""
    generator = getattr(_unwrapped(env), "np_random", None)
    return dict(generator.bit_generator.state) if isinstance(generator, np.random.Generator) else None


def set_random_state(env: Environment, state: Mapping[str, Any] | None) -> None:
    """Restores what `random_state` returned."""
    if state is not None:
        _unwrapped(env).np_random.bit_generator.state = state


def _unwrapped(env: Environment) -> Environment:
    return getattr(env, "unwrapped", env)


def _made_from_spec(env: Environment) -> Environment:
    options = {"render_mode": None} if "render_mode" in env.spec.kwargs else {}
    return gymnasium.make(env.spec, **options)


def _are_independent(first: Environment, second: Environment) -> bool:
    """Whether the first does the same beside the second as alone; also true if it does not even repeat itself alone."""
    has_ended = True

    def disturb() -> None:
        nonlocal has_ended
        if has_ended:
            second.reset(seed=1)
        _, _, terminated, truncated, _ = second.step(_action(second, 1))
        has_ended = terminated or truncated

    with warnings.catch_warnings(action="ignore"):
        alone, beside, again = _trace(first), _trace(first, disturb), _trace(first)
    return alone == beside or alone != again


def _trace(env: Environment, between: Callable[[], None] = lambda: None) -> list[bytes]:
    """What an environment returns in a few steps from a fixed start."""
    returned = [flat_observation(env.reset(seed=0)[0]).tobytes()]
    for number in range(_TRIAL_STEPS):
        between()
        observation, reward, terminated, truncated, _ = env.step(_action(env, number))
        returned += [flat_observation(observation).tobytes(), np.float64(reward).tobytes()]
        if terminated or truncated:
            break
    return returned


def _action(env: Environment, number: int) -> Any:
    """One of some actions, without use of the space's own random generator."""
    space = env.action_space
    share = np.random.default_rng(number).random(space.shape)
    return np.clip(space.low + share * (space.high - space.low), space.low, space.high).astype(space.dtype)
