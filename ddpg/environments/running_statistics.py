"""Running statistics in an environment's wrappers, as `NormalizeObservation` has them: saved, restored and frozen.

They are state that outlives an episode. A policy is meaningless without those it saw, and episodes that only measure it
must not change them. Statistics are objects with a mean, a variance and a count (`mean`, `var`, `count`), that a
wrapper or the environment holds as an attribute, in a list or a dictionary, or is itself.
"""

import inspect
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ddpg.environments.interface import (
    Environment,
    UnsuitableEnvironmentError,
    contents_of,
    is_wrapper,
    levels_of,
)
from ddpg.files import DamagedFileError, replacing

FILE = "running_statistics.json"
"""In a saved agent's folder, if its environment had any."""
FORMAT_VERSION = 1
State = Mapping[str, Mapping[str, Any]]
"""Arrays and numbers by wrapper and attribute, such as `{"NormalizeObservation": {"obs_rms.mean": ...}}`."""

_FIELDS = ("mean", "var", "count")
_OF_REWARDS = "NormalizeReward"
_MOST_HELD = 100
"""Longer lists hold data."""


class _Level(NamedTuple):
    """A wrapper, or the environment within, that holds statistics."""

    env: Environment
    statistics: dict[str, Any]
    """By attribute; the level itself is ''."""


@contextmanager
def frozen(envs: Iterable[Environment]) -> Iterator[None]:
    """Keeps the running statistics of environments as they are: for tests, validation and evaluation.

    Rewards are not normalised meanwhile by a `NormalizeReward` of Gymnasium or classic gym: returns are in the
    environment's own units, which its threshold has, and in which policies with other statistics can be compared.
    """
    with ExitStack() as stack:
        for env in envs:
            levels = _levels(env)
            if levels:
                # Numbers beside the statistics too, such as a discounted sum of rewards, belong to the training.
                stack.callback(load_state_dict, env, _state_of(levels))
            # Inner wrappers first: a NormalizeReward is passed by to the step of what it wraps.
            for level in reversed(levels.values()):
                _freeze(level, stack)
        yield


def state_dict(env: Environment) -> dict[str, dict[str, Any]]:
    """Copies of the statistics, and of the other numbers that wrappers with statistics keep; empty without any."""
    return _state_of(_levels(env))


def _state_of(levels: Mapping[str, _Level]) -> dict[str, dict[str, Any]]:
    return {
        name: {path: _copied(getattr(owner, field)) for path, owner, field in _numbers(level)}
        for name, level in levels.items()
    }


def load_state_dict(env: Environment, state: State, where: str = "environment") -> None:
    """Restores what `state_dict` returned for an environment with the same wrappers.

    A `NormalizeReward` may be missing on either side, as it does not change what a policy sees.

    Args:
        env: The environment.
        state: The statistics.
        where: Names what is loaded, in errors.

    Raises:
        UnsuitableEnvironmentError: The environment has other statistics.
    """
    levels = _levels(env)
    expected, received = _statistics_in(state), _statistics_in(_state_of(levels))
    if expected != received:
        raise UnsuitableEnvironmentError(
            f"{where}: expected an environment with running statistics in {_listed(expected)}, "
            f"received one with some in {_listed(received)}"
        )
    for name, values in state.items():
        if name in levels:
            for path, value in values.items():
                attribute, dot, number = path.rpartition(".")
                setattr(levels[name].statistics[attribute] if dot else levels[name].env, number, _copied(value))


def save(state: State, folder: Path) -> None:
    """Writes statistics into a saved agent's folder; a folder without the file has none."""
    path = Path(folder) / FILE
    if not state:
        path.unlink(missing_ok=True)
        return
    document = {"format": FORMAT_VERSION, "wrappers": state}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2, default=_array_as_json) + "\n", encoding="utf-8")


def restore(env: Environment, folder: Path) -> None:
    """Puts an environment's statistics in the state that `save` wrote.

    Raises:
        UnsuitableEnvironmentError: The environment has other statistics than the agent that was saved.
        DamagedFileError: The file is corrupt or of another kind; the message names it.
    """
    path = Path(folder) / FILE
    state: State = {}
    if path.exists():
        try:
            document = json.loads(path.read_text(encoding="utf-8"), object_hook=_array_from_json)
            if document["format"] != FORMAT_VERSION:
                raise ValueError(f"expected format {FORMAT_VERSION}, received {document['format']!r}")
            state = {name: dict(values) for name, values in document["wrappers"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DamagedFileError(f"{path}: expected running statistics ({error!r})") from error
    load_state_dict(env, state, str(folder))


def _levels(env: Environment) -> dict[str, _Level]:
    """The levels that hold statistics, by the name of their class; the second of one name has a number."""
    found: dict[str, _Level] = {}
    names: Counter[str] = Counter()
    for level in levels_of(env):
        statistics = {path: value for path, value in _held_by(level) if _are_statistics(value)}
        if all(_is_number(contents_of(level).get(field)) for field in _FIELDS):
            statistics[""] = level
        if statistics:
            name = _OF_REWARDS if _normalizes_rewards(level) else type(level).__name__
            names[name] += 1
            found[name if names[name] == 1 else f"{name} {names[name]}"] = _Level(level, statistics)
    return found


def _held_by(level: Environment) -> Iterator[tuple[str, Any]]:
    for name, value in contents_of(level).items():
        yield name, value
        if isinstance(value, dict | list | tuple) and len(value) <= _MOST_HELD:
            items = value.items() if isinstance(value, dict) else enumerate(value)
            yield from ((f"{name}[{key!r}]", item) for key, item in items)


def _are_statistics(value: Any) -> bool:
    try:
        return all(_is_number(getattr(value, field, None)) for field in _FIELDS)
    except Exception:  # a property may raise anything
        return False


def _is_number(value: Any) -> bool:
    """Whether it is a number or an array of numbers."""
    return isinstance(value, int | float | np.ndarray | np.generic) and np.asarray(value).dtype.kind in "iuf"


def _numbers(level: _Level) -> Iterator[tuple[str, Any, str]]:
    """The path, owner and attribute of each number or array that makes up a level's state."""
    for path, statistics in level.statistics.items():
        own = (
            []
            if statistics is level.env
            else [name for name, value in contents_of(statistics).items() if _is_number(value)]
        )
        for name in own or _FIELDS:
            yield f"{path}.{name}", statistics, name
    if is_wrapper(level.env):
        settings = inspect.signature(type(level.env).__init__).parameters
        for name, value in contents_of(level.env).items():
            if _is_number(value) and name.lstrip("_") not in settings:
                yield name, level.env, name


def _statistics_in(state: State) -> dict[str, set[str]]:
    """Paths of statistics by wrapper, of those that change what a policy sees."""
    return {
        name: {path.rpartition(".")[0] for path in values if "." in path}
        for name, values in state.items()
        if name.partition(" ")[0] != _OF_REWARDS
    }


def _listed(found: Mapping[str, set[str]]) -> str:
    paths = [f"{name}.{path}".rstrip(".") for name, paths in found.items() for path in sorted(paths)]
    return ", ".join(paths) or "no wrapper"


def _freeze(level: _Level, stack: ExitStack) -> None:
    if _normalizes_rewards(level.env):
        _shadow(level.env, "step", level.env.env.step, stack)
        return
    if hasattr(level.env, "update_running_mean") and not callable(level.env.update_running_mean):
        stack.callback(setattr, level.env, "update_running_mean", level.env.update_running_mean)
        level.env.update_running_mean = False
    for statistics in level.statistics.values():
        methods = [name for name in dir(type(statistics)) if name.startswith("update")]
        # An environment's own methods may do anything.
        for name in methods if statistics is not level.env and contents_of(statistics) else ():
            _shadow(statistics, name, _do_nothing, stack)


def _shadow(owner: Any, method: str, replacement: Any, stack: ExitStack) -> None:
    """Replaces a method of one object until the stack closes."""
    attributes = vars(owner)
    if method in attributes:
        stack.callback(attributes.__setitem__, method, attributes[method])
    else:
        stack.callback(attributes.pop, method)
    attributes[method] = replacement


def _do_nothing(*_: Any, **__: Any) -> None:
    pass


def _normalizes_rewards(level: Environment) -> bool:
    return any(base.__name__ == _OF_REWARDS for base in type(level).__mro__)


def _copied(value: Any) -> Any:
    """A copy that checkpoints can hold. Python's numbers stay, since NumPy computes with those in another precision."""
    return np.array(value) if isinstance(value, np.ndarray | np.generic) else value


def _array_as_json(array: Any) -> dict[str, Any]:
    return {"dtype": str(array.dtype), "values": array.tolist()}


def _array_from_json(value: dict[str, Any]) -> Any:
    return np.array(value["values"], value["dtype"]) if value.keys() == {"dtype", "values"} else value
