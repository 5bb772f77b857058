"""A short trial of an environment before any work: whether it keeps to Gymnasium's interface, and repeats itself."""

import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np

from ddpg.environments.copies import trial_copy
from ddpg.environments.interface import (
    Environment,
    as_action,
    broken,
    contents_of,
    described,
    is_truth_value,
    is_wrapper,
    levels_of,
)
from ddpg.environments.running_statistics import frozen, load_state_dict, state_dict

_STEPS = 10
_NAMED = 5


class EnvironmentWarning(UserWarning):
    """Results in this environment cannot repeat; the message says why and what to do."""


class _Trial(NamedTuple):
    """Two episodes from one start with the same actions, and what is wrong with them."""

    first: list[bytes]
    again: list[bytes]
    outlived: list[str]
    """Attributes with other values after the reset of the second episode than after that of the first."""
    thawed: list[str]
    """Running statistics that changed though they were frozen."""
    scaling: list[str]
    """Wrappers whose frozen statistics change the rewards."""


def check(env: Environment) -> list[str]:
    """Tries an environment in a copy; one that cannot be copied is not tried.

    Args:
        env: As `interface.prepare` returned it.

    Returns:
        Why results in it cannot repeat, and what to do; empty if they can.

    Raises:
        UnsuitableEnvironmentError: It breaks Gymnasium's interface; the message names the method, what was expected and
            what was received.
    """
    with warnings.catch_warnings(action="ignore"), _global_randomness() as draws, trial_copy(env) as copied:
        if copied is None:
            return []
        trial = _try(copied)
    return _problems(trial, draws)


def check_made(make: Callable[[], Environment]) -> list[str]:
    """As `check`, but tries an environment that is made for it, and compares it with another, made after the first."""
    with warnings.catch_warnings(action="ignore"), _global_randomness():
        with closing(make()) as env, _global_randomness() as draws:
            trial = _try(env)
        with closing(make()) as other, frozen([other]):
            is_alike = _episode(other, seed=0)[0] == trial.first
    problems = _problems(trial, draws)
    if not (is_alike or problems):
        problems.append(
            "environment: expected two that are made with the same arguments to start and step alike, received others: "
            "every stage makes its own, so nothing may be drawn at random or counted when one is made"
        )
    return problems


def _try(env: Environment) -> _Trial:
    before = _statistics(env)
    with frozen([env]):
        first, attributes = _episode(env, seed=0)
        thawed = [name for name, number in _statistics(env).items() if number != before.get(name)]
    scaling = []
    if before:
        state = state_dict(env)
        _episode(env, seed=1)
        for name in state:
            load_state_dict(env, {**state, name: {path: _changed(path, value) for path, value in state[name].items()}})
            with frozen([env]):
                if _rewards(_episode(env, seed=0)[0]) != _rewards(first):
                    scaling.append(name)
        load_state_dict(env, state)
    with frozen([env]):
        again, later = _episode(env, seed=0)
    outlived = [name for name in later if later[name] != attributes.get(name)]
    return _Trial(first, again, outlived, thawed, scaling)


def _rewards(shown: list[bytes]) -> list[bytes]:
    return shown[2::2]


def _changed(path: str, value: Any) -> Any:
    """Another mean or variance."""
    return value if path.endswith(".count") or "." not in path else 4 * value + 1


def _problems(trial: _Trial, draws: list[str]) -> list[str]:
    problems = []
    repeats = trial.first == trial.again
    if draws:
        effect = "which environments side by side share" if repeats else "which reset(seed=...) does not seed"
        problems.append(
            "environment: expected randomness from self.np_random alone, "
            f"but it draws from {' and '.join(draws)}, {effect}"
        )
    if trial.thawed:
        problems.append(
            "environment: expected running statistics that tests and validation can leave as they are, by an attribute "
            "update_running_mean or a method update of the object that holds mean, var and count, received "
            f"{', '.join(trial.thawed)}"
        )
    if trial.scaling and repeats and not problems:
        problems.append(
            "environment: expected rewards of one unit, in which policies can be compared, received some that running "
            f"statistics of {', '.join(trial.scaling)} normalise also when they are frozen: only a class named "
            "NormalizeReward, or derived from it, is passed by in tests, validation and evaluation; "
            "reward_normalization normalises for the agent alone"
        )
    if not (repeats or problems):
        found = ", ".join(trial.outlived[:_NAMED])
        problems.append(
            "environment: expected the same episode after each reset(seed=0) with the same actions, received another: "
            "reset has to call super().reset(seed=seed), all randomness to come from self.np_random, and nothing may "
            f"outlive an episode{f', as do {found}' if found else ''}"
        )
    return problems


def _episode(env: Environment, seed: int) -> tuple[list[bytes], dict[str, str]]:
    """The start of an episode, checked step by step: what was shown, and `_attributes` after the reset."""
    try:
        returned = env.reset(seed=seed)
    except TypeError as error:
        raise broken("reset", "the keyword seed", str(error)) from error
    shown, attributes = [_checked_reset(returned, env)], _attributes(env)
    space, rng = env.action_space, np.random.default_rng(seed)
    for _ in range(_STEPS):
        action = space.low + rng.random(space.shape) * (space.high - space.low)
        observation, reward, ended = _checked_step(env.step(as_action(space, action.ravel())), env)
        shown += [observation, reward]
        if ended:
            break
    return shown, attributes


def _checked_reset(returned: Any, env: Environment) -> bytes:
    if not (isinstance(returned, tuple) and len(returned) == 2):
        raise broken("reset", "(observation, info)", described(returned))
    return _checked_observation("reset", returned[0], env)


def _checked_step(returned: Any, env: Environment) -> tuple[bytes, bytes, bool]:
    if not (isinstance(returned, tuple) and len(returned) == 5):
        raise broken("step", "(observation, reward, terminated, truncated, info)", described(returned))
    observation, reward, terminated, truncated, info = returned
    if not (_is_number(reward) and np.isfinite(reward)):
        raise broken("step", "a finite number as reward", described(reward))
    for name, value in (("terminated", terminated), ("truncated", truncated)):
        if not (_is_number(value) and value in (0, 1)):
            raise broken("step", f"a bool as {name}", described(value))
    success = info.get("is_success") if isinstance(info, Mapping) else None
    if not (success is None or is_truth_value(success)):
        raise broken("step", 'a bool as info["is_success"]', described(success))
    return _checked_observation("step", observation, env), np.float64(reward).tobytes(), bool(terminated or truncated)


def _is_number(value: Any) -> bool:
    """Whether it is a single number or truth value, of Python's or NumPy's."""
    return np.ndim(value) == 0 and np.asarray(value).dtype.kind in "biuf"


def _checked_observation(method: str, observation: Any, env: Environment) -> bytes:
    shape = env.observation_space.shape
    expected = f"an observation of numbers, of shape {shape}"
    try:
        is_number = np.asarray(observation).dtype.kind in "biufO" and not np.ma.is_masked(observation)
        values = np.asarray(observation, np.float32)
    except (TypeError, ValueError):
        raise broken(method, expected, described(observation)) from None
    if not is_number:
        raise broken(method, expected, described(observation))
    # What is flat is read as meant, and so is a dimension of size 1; what is transposed is not.
    if np.squeeze(values).shape not in (np.squeeze(np.empty(shape)).shape, (np.prod(shape),)):
        raise broken(method, f"an observation of shape {shape}, as its space says", f"one of shape {values.shape}")
    if not np.isfinite(values).all():
        raise broken(method, "a finite observation", str(observation))
    return values.tobytes()


@contextmanager
def _global_randomness() -> Iterator[list[str]]:
    """Restores the state of the global generators at its end, and lists those that were drawn from."""
    used: list[str] = []
    of_numpy, of_python = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        yield used
    finally:
        if _listed(np.random.get_state()) != _listed(of_numpy):  # noqa: NPY002
            used.append("numpy.random")
        if random.getstate() != of_python:
            used.append("random")
        np.random.set_state(of_numpy)  # noqa: NPY002
        random.setstate(of_python)


def _listed(state: Any) -> list[Any]:
    return [np.asarray(part).tolist() for part in state]


def _statistics(env: Environment) -> dict[str, Any]:
    """Running statistics by wrapper and attribute, without the other numbers of a wrapper."""
    return {
        f"{name}.{path}".replace("..", "."): np.asarray(value).tolist()
        for name, values in state_dict(env).items()
        for path, value in values.items()
        if "." in path
    }


def _attributes(env: Environment) -> dict[str, str]:
    """What the environment, its wrappers but for Gymnasium's, and their classes hold, as far as it can be told."""
    import joblib  # type: ignore[import-untyped] # takes 0.1 s, which is spent on trials alone

    found = {}
    for level in levels_of(env):
        if not type(level).__module__.startswith("gymnasium.wrappers"):
            for name, value in {**vars(type(level)), **contents_of(level)}.items():
                if not (is_wrapper(level) and name == "env"):
                    with suppress(Exception):  # such as a picture's, or a simulator's own
                        found[f"{type(level).__name__}.{name}"] = joblib.hash(value)
    return found
