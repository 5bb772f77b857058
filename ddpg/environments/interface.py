"""What the agent requires of an environment, of Gymnasium or of classic gym."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from ddpg.algorithm.saved_agent import Description
from ddpg.algorithm.scaling import BoxScaler

Environment = Any
"""A `gymnasium.Env`, or a `gym.Env` of gym 0.26, which has the same methods but other classes."""

MAX_EPISODE_STEPS = 100_000
"""Environment steps after which an episode counts as endless, where the environment states no longer limit."""

_WIDE = 4  # bytes


class UnsuitableEnvironmentError(ValueError):
    """The agent cannot learn in this environment."""


class EndlessEpisodeError(UnsuitableEnvironmentError):
    """An episode does not end."""


class Step(NamedTuple):
    """One agent step: an action repeated for some environment steps."""

    observation: NDArray[np.float32]
    """Shape (observation size,), in the environment's units."""
    reward: float
    """The sum over the environment steps."""
    terminated: bool
    truncated: bool
    environment_steps: int
    is_success: bool | None
    """What the environment's `info` says of the last environment step, if anything."""


def prepare(env: Environment) -> Environment:
    """Checks an environment, and returns it ready for the agent.

    Raises:
        UnsuitableEnvironmentError: DDPG cannot handle its observation or action space.
    """
    for attribute in ("reset", "step", "observation_space", "action_space"):
        if not hasattr(env, attribute):
            raise UnsuitableEnvironmentError(
                f"environment: expected a Gymnasium environment, received {type(env).__name__} without {attribute!r}"
            )
    if isinstance(env, gymnasium.vector.VectorEnv):
        raise UnsuitableEnvironmentError("environment: expected a single one, received a vector of environments")
    _require_box("observation space", env.observation_space)
    _require_box("action space", env.action_space)
    space = env.action_space
    if not (np.issubdtype(space.dtype, np.floating) and scaler_of(space).bounded.all()):
        raise UnsuitableEnvironmentError(
            f"action space: expected a Box of real numbers with finite bounds, low < high, received {space}"
        )
    return _without_broken_checker(env)


def scaler_of(space: Any) -> BoxScaler:
    """The scaling of a Box. Integers of 32 or 64 bits write "unbounded" as the least and the greatest of their type."""
    low, high = np.asarray(space.low, np.float64), np.asarray(space.high, np.float64)
    if np.issubdtype(space.dtype, np.integer) and space.dtype.itemsize >= _WIDE:
        limits = np.iinfo(space.dtype)
        # Gymnasium keeps away from the limits by 2, and float64 rounds them.
        low = np.where((low < 0) & (low <= 0.999 * limits.min), -np.inf, low)
        high = np.where(high >= 0.999 * limits.max, np.inf, high)
    return BoxScaler(low, high)


def _require_box(name: str, space: Any) -> None:
    # By name, because a classic gym.spaces.Box is not a gymnasium.spaces.Box.
    if type(space).__name__ != "Box" or int(np.prod(space.shape)) == 0:
        raise UnsuitableEnvironmentError(f"{name}: expected a Box with at least one dimension, received {space}")


def _without_broken_checker(env: Environment) -> Environment:
    """Removes classic gym's checker, which uses `numpy.bool8`, removed in NumPy 2."""
    if isinstance(env, gymnasium.Env):
        return env
    if type(env).__name__ == "PassiveEnvChecker":
        return _without_broken_checker(env.env)
    if "env" in vars(env):
        env.env = _without_broken_checker(env.env)
    return env


def require_spaces_of(saved: Description, env: Environment, folder: Path) -> None:
    """Checks that an environment has the spaces of a saved agent.

    Raises:
        UnsuitableEnvironmentError: Its spaces have other bounds; the message names the folder.
    """
    for name, space in (("observations", env.observation_space), ("actions", env.action_space)):
        expected, received = getattr(saved, name), scaler_of(space)
        if not (np.array_equal(expected.low, received.low) and np.array_equal(expected.high, received.high)):
            raise UnsuitableEnvironmentError(
                f"{folder}: expected an environment whose {name} lie in {expected}, received {received}"
            )


def make(identifier: str, kwargs: Mapping[str, Any], **options: Any) -> Environment:
    """Makes a registered environment; options such as `render_mode` override its keyword arguments."""
    return gymnasium.make(identifier, **{**kwargs, **options})


def broken(method: str, expected: str, received: str) -> UnsuitableEnvironmentError:
    """The error that a method of an environment returned something else than expected."""
    return UnsuitableEnvironmentError(f"environment: {method}: expected {expected}, received {received}")


def described(value: Any) -> str:
    """What an environment returned, for a message."""
    if isinstance(value, tuple):
        return f"{len(value)} values"
    return (
        f"an array of type {value.dtype} and shape {value.shape}" if isinstance(value, np.ndarray) else f"{value!r:.80}"
    )


def levels_of(env: Environment) -> Iterator[Environment]:
    """The wrappers of an environment of Gymnasium or classic gym, outermost first, and the environment within."""
    while is_wrapper(env):
        yield env
        env = env.env
    yield env


def is_wrapper(level: Environment) -> bool:
    """Whether it wraps another environment, as Gymnasium's wrappers do."""
    return any(base.__name__ == "Wrapper" for base in type(level).__mro__)


def contents_of(value: Any) -> dict[str, Any]:
    """The attributes of an object itself; empty for one without a dictionary of its own."""
    return dict(getattr(value, "__dict__", {}))


def flat_observation(observation: Any) -> NDArray[np.float32]:
    """Flattens an observation into a new array, because an environment may reuse its own.

    Raises:
        UnsuitableEnvironmentError: It holds something else than numbers.
    """
    try:
        return np.array(observation, np.float32).ravel()
    except (TypeError, ValueError):
        raise broken("an episode", "observations of numbers", described(observation)) from None


def start(env: Environment, seed: int) -> NDArray[np.float32]:
    """Begins an episode; returns the flat observation.

    Raises:
        UnsuitableEnvironmentError: It has another size than the observation space.
    """
    observation = flat_observation(env.reset(seed=seed)[0])
    expected = int(np.prod(env.observation_space.shape))
    if observation.size != expected:
        raise broken("reset", f"an observation of {expected} numbers", f"one of {observation.size}")
    return observation


def require_size(observation: NDArray[Any], before: NDArray[Any]) -> None:
    """Checks that an observation has as many numbers as the one before.

    Raises:
        UnsuitableEnvironmentError: It has not.
    """
    if observation.shape != before.shape:
        raise broken("step", f"an observation of {before.size} numbers", f"one of {observation.size}")


def as_action(space: Any, action: NDArray[Any]) -> NDArray[Any]:
    """Converts a flat action to a new array of the space's shape and dtype.

    It is within bounds even if these are float64 and the action, as float32, was rounded beyond them.
    """
    own = action.astype(space.dtype).reshape(space.shape)
    return own if own.dtype == np.float32 else np.clip(own, space.low, space.high)


def hold_action(env: Environment, action: NDArray[np.float32], n_steps: int) -> Step:
    """Repeats an action up to n times, until the episode ends."""
    action = as_action(env.action_space, action)
    total = 0.0
    taken = 0
    while taken < n_steps:
        # A copy, because an environment may modify it.
        observation, reward, terminated, truncated, info = env.step(action.copy())
        taken += 1
        try:
            total += float(reward)
        except (TypeError, ValueError):
            raise broken("step", "a finite number as reward", described(reward)) from None
        if terminated or truncated:
            break
    return Step(flat_observation(observation), total, bool(terminated), bool(truncated), taken, _success(info))


def _success(info: Any) -> bool | None:
    """What `info` says of success; `None` if it says nothing, or not of a single truth value."""
    value: Any = info.get("is_success") if isinstance(info, Mapping) else None
    return bool(np.asarray(value).item()) if value is not None and is_truth_value(value) else None


def is_truth_value(value: Any) -> bool:
    """Whether it is a bool, or a 0 or 1, of Python's or NumPy's; also as an array of one."""
    array = np.asarray(value) if isinstance(value, bool | int | float | np.generic | np.ndarray) else np.empty(0)
    return array.size == 1 and array.dtype.kind in "biuf" and array.item() in (0, 1)


def require_end(where: str, env: Environment, environment_steps: int) -> None:
    """Checks that an episode which goes on is not endless.

    Args:
        where: Names the episode.
        env: The environment; a time limit of its own may be longer than `MAX_EPISODE_STEPS`.
        environment_steps: Those of the episode so far.

    Raises:
        EndlessEpisodeError: They are more than any episode should have.
    """
    if environment_steps >= MAX_EPISODE_STEPS:
        limit = max(MAX_EPISODE_STEPS, *_time_limits(env))
        if environment_steps >= limit:
            raise EndlessEpisodeError(
                f"{where}: expected an end within {limit:,} environment steps, found none; limit the time, by "
                "gymnasium.wrappers.TimeLimit or by max_episode_steps among the arguments of gymnasium.make"
            )


def _time_limits(env: Environment) -> Iterator[int]:
    """Limits of an environment and its wrappers, in environment steps."""
    yield getattr(getattr(env, "spec", None), "max_episode_steps", None) or 0
    while env is not None:
        yield vars(env).get("_max_episode_steps") or 0 if hasattr(env, "__dict__") else 0
        env = getattr(env, "env", None)


def reward_threshold(env: Environment) -> float | None:
    """The return from which the environment counts as solved; `None` if it does not define one."""
    threshold = getattr(getattr(env, "spec", None), "reward_threshold", None)
    return None if threshold is None else float(threshold)
