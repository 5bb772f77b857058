"""A short trial of an environment before any work: whether it keeps to Gymnasium's interface, and repeats itself."""

import pickle
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from ddpg.environments.copies import trial_copy
from ddpg.environments.interface import (
    Environment,
    as_action,
    broken,
    contents_of,
    described,
    levels_of,
)
from ddpg.environments.running_statistics import State, frozen, load_state_dict, state_dict

_STEPS = 10
_NAMED = 5


class EnvironmentWarning(UserWarning):
    """Results in this environment cannot repeat; the message says why and what to do."""


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
    with warnings.catch_warnings(action="ignore"), _global_randomness() as draws, trial_copy(env) as trial:
        if trial is None:
            return []
        before = _numbers(state_dict(trial))
        with frozen([trial]):
            first, outlived = _episode(trial, seed=0), _attributes(trial)
            changed = [name for name, number in _numbers(state_dict(trial)).items() if number != before[name]]
        if before:
            state = state_dict(trial)
            _episode(trial, seed=1)
            load_state_dict(trial, state)
        with frozen([trial]):
            again, attributes = _episode(trial, seed=0), _attributes(trial)
    problems = []
    if draws:
        effect = "which environments side by side share" if first == again else "which reset(seed=...) does not seed"
        problems.append(
            "environment: expected randomness from self.np_random alone, "
            f"but it draws from {' and '.join(draws)}, {effect}"
        )
    if changed:
        problems.append(
            "environment: expected running statistics that tests and validation can leave as they are, by an attribute "
            "update_running_mean or a method update of the object that holds mean, var and count, received "
            f"{', '.join(changed)}"
        )
    if first != again and not problems:
        found = [name for name, value in attributes.items() if value != outlived.get(name)]
        problems.append(
            "environment: expected the same episode after each reset(seed=0) with the same actions, received another: "
            "reset has to call super().reset(seed=seed), all randomness to come from self.np_random, and nothing may "
            f"outlive an episode{', as do ' * bool(found)}{', '.join(found[:_NAMED])}"
        )
    return problems


def _episode(env: Environment, seed: int) -> list[bytes]:
    """The start of an episode, checked step by step."""
    try:
        returned = env.reset(seed=seed)
    except TypeError as error:
        raise broken("reset", "the keyword seed", str(error)) from error
    shown = [_checked_reset(returned, env)]
    space, rng = env.action_space, np.random.default_rng(seed)
    for _ in range(_STEPS):
        action = space.low + rng.random(space.shape) * (space.high - space.low)
        observation, reward, ended = _checked_step(env.step(as_action(space, action.ravel())), env)
        shown += [observation, reward]
        if ended:
            break
    return shown


def _checked_reset(returned: Any, env: Environment) -> bytes:
    if not (isinstance(returned, tuple) and len(returned) == 2):
        raise broken("reset", "(observation, info)", described(returned))
    return _checked_observation("reset", returned[0], env)


def _checked_step(returned: Any, env: Environment) -> tuple[bytes, bytes, bool]:
    if not (isinstance(returned, tuple) and len(returned) == 5):
        raise broken("step", "(observation, reward, terminated, truncated, info)", described(returned))
    observation, reward, terminated, truncated, _ = returned
    if not (_is_number(reward) and np.isfinite(reward)):
        raise broken("step", "a finite number as reward", described(reward))
    for name, value in (("terminated", terminated), ("truncated", truncated)):
        if not (_is_number(value) and value in (0, 1)):
            raise broken("step", f"a bool as {name}", described(value))
    return _checked_observation("step", observation, env), np.float64(reward).tobytes(), bool(terminated or truncated)


def _is_number(value: Any) -> bool:
    """Whether it is a single number or truth value, of Python's or NumPy's."""
    return np.ndim(value) == 0 and np.asarray(value).dtype.kind in "biuf"


def _checked_observation(method: str, observation: Any, env: Environment) -> bytes:
    shape = env.observation_space.shape
    try:
        values = np.asarray(observation, np.float32)
    except (TypeError, ValueError):
        raise broken(method, f"an observation of numbers, of shape {shape}", described(observation)) from None
    if values.size != np.prod(shape):
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


def _numbers(state: State) -> dict[str, Any]:
    """The running statistics in a state by wrapper and attribute, without the other numbers of a wrapper."""
    return {
        f"{name}.{path}".replace("..", "."): np.asarray(value).tolist()
        for name, values in state.items()
        for path, value in values.items()
        if "." in path
    }


def _attributes(env: Environment) -> dict[str, bytes]:
    """What each wrapper and the environment hold, as far as it can be stored."""
    found = {}
    for level in levels_of(env):
        for name, value in contents_of(level).items():
            if value is not getattr(level, "env", None):
                with suppress(Exception):  # such as a picture's, or a simulator's own
                    found[f"{type(level).__name__}.{name}"] = pickle.dumps(value)
    return found
