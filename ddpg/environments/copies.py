"""Copies of an environment that do not influence each other, and the state of their random generators."""

import copy
import numbers
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np

from ddpg.environments.interface import Environment, flat_observation, is_wrapper, levels_of
from ddpg.environments.running_statistics import frozen

MAX_COPIES = 50
"""As many episodes run side by side: one policy call serves them all."""
_TRIAL_STEPS = 5
_RECORDERS = ("RecordVideo",)
"""They would overwrite the videos of the environment itself."""
_CHECKS = ("OrderEnforcing", "PassiveEnvChecker")
"""They only pass calls on, once an environment was used properly, and take a fifth of the time of a simple one."""


def copies(env: Environment, n: int) -> list[Environment]:
    """Makes independent copies of an environment, without windows and without recordings.

    A deep copy keeps changes that were made to the environment. If it cannot be made, or if deep copies share a
    simulation, for instance by its handle, new environments are made from the specification, provided that they start
    like this one. For that the environment is reset. Gymnasium's checks of how an environment is used are left out.

    Args:
        env: Any environment.
        n: How many; `MAX_COPIES` at most are made.

    Returns:
        The copies, for `close_copies`; or the environment alone, if there is no way to copy it.
    """
    n = min(n, MAX_COPIES)
    for way in _ways(env):
        made = _independent_pair(env, way)
        try:
            if made and (way is _deep_copy or _start_alike(env, *made)):
                while len(made) < n:
                    made.append(way(env))
                close_copies(env, made[n:])
                return [_without(_CHECKS, each) for each in made[:n]]
        except Exception:
            pass
        close_copies(env, made)
    return [env]


def close_copies(env: Environment, made: Iterable[Environment]) -> None:
    """Closes copies of an environment, but not the environment itself."""
    for each in made:
        if each is not env:
            each.close()


@contextmanager
def trial_copy(env: Environment) -> Iterator[Environment | None]:
    """A copy for a trial, which may share a simulation; `None` if there is no way to copy the environment."""
    for way in _ways(env):
        try:
            copied = way(env)
        except Exception:
            continue
        try:
            yield copied
        finally:
            # To close a deep copy that shares a simulation would close that of the environment.
            pair = _independent_pair(env, way)
            close_copies(env, [copied, *pair] if pair or way is _made_from_spec else [])
        return
    yield None


def random_state(env: Environment) -> dict[str, Any] | None:
    """The state of an environment's own random generator; `None` if it has none.

    A Gymnasium environment that has none yet makes one when it is asked.
    """
    generator = getattr(_unwrapped(env), "np_random", None)
    return dict(generator.bit_generator.state) if isinstance(generator, np.random.Generator) else None


def set_random_state(env: Environment, state: Mapping[str, Any] | None) -> None:
    """Restores what `random_state` returned, unless the environment has no generator now: it seeds one itself."""
    generator = getattr(_unwrapped(env), "np_random", None)
    if state is not None and isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state


def _unwrapped(env: Environment) -> Environment:
    return getattr(env, "unwrapped", env)


def _ways(env: Environment) -> list[Callable[[Environment], Environment]]:
    # A deep copy of an environment with a window opens another.
    has_window = getattr(env, "render_mode", None) == "human"
    return [_made_from_spec, _deep_copy] if has_window else [_deep_copy, _made_from_spec]


def _deep_copy(env: Environment) -> Environment:
    made = _without(_RECORDERS, copy.deepcopy(env))
    if getattr(made, "render_mode", None) == "human":
        _unwrapped(made).render_mode = None
        _unwrapped(made).close = lambda: None  # it would close the environment's window
    return made


def _made_from_spec(env: Environment) -> Environment:
    options = {"render_mode": None} if "render_mode" in env.spec.kwargs else {}
    return _without(_RECORDERS, gymnasium.make(env.spec, **options))


def _without(names: Collection[str], env: Environment) -> Environment:
    """Removes wrappers by the names of their classes."""
    while type(env).__name__ in names:
        env = env.env
    for wrapper in filter(is_wrapper, list(levels_of(env))):
        while type(wrapper.env).__name__ in names:
            wrapper.env = wrapper.env.env
    return env


def _independent_pair(env: Environment, way: Callable[[Environment], Environment]) -> list[Environment]:
    """Two copies that do not influence each other; empty if this way makes none."""
    pair: list[Environment] = []
    try:
        for _ in range(2):
            pair.append(way(env))
        with frozen(pair):
            if _are_independent(*pair):
                return pair
    except Exception:
        pass
    if way is _made_from_spec:
        close_copies(env, pair)
    return []


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


def _start_alike(env: Environment, *made: Environment) -> bool:
    """Whether an environment has the plain attributes of new ones after the same reset, such as physical constants.

    Those in which the new ones differ from each other, such as handles, do not count.
    """
    before = random_state(env)
    with warnings.catch_warnings(action="ignore"), frozen([env, *made]):
        for each in (env, *made):
            each.reset(seed=0)
    set_random_state(env, before)
    present, first, second = (_plain_attributes(each) for each in (env, *made))
    return all(present.get(name) == value for name, value in first.items() if second.get(name) == value)


def _plain_attributes(env: Environment) -> dict[str, Any]:
    def is_plain(value: Any) -> bool:
        return value is None or isinstance(value, str | bool | numbers.Number | np.ndarray)

    attributes = vars(_unwrapped(env)).items()
    return {name: np.asarray(value).tolist() for name, value in attributes if is_plain(value) and "render" not in name}


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
