"""dvc.lock, params.yaml and evaluate's metrics.json of any revision, validated as far as their readers need.

`pipeline.params` may reject the parameters of an old revision; what is validated here holds for all revisions.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from reprlib import repr as shortened
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from ddpg.files import DamagedFileError
from pipeline.provenance.digests import override, params_of_results
from pipeline.stages import LOCK, PARAMS

_MOST_VALUES = 100_000
_RESOLVE = (
    f"choose the values of {PARAMS}, then run `git checkout --ours {LOCK} results`, `dvc repro`, `git add .` and "
    "`git commit`"
)
_IN_PROGRESS = 0  # a size that no value has


class _Part(BaseModel):
    """Part of a document; keys that are absent have a valid default."""

    model_config = ConfigDict(strict=True)


class _File(_Part):
    path: str
    md5: str | None = None


class _Stage(_Part):
    deps: list[_File] = []
    outs: list[_File] = []
    params: dict[str, dict[str, Any]] = {}


class _Lock(_Part):
    stages: dict[str, _Stage] = {}


class _Environment(_Part):
    id: str


class _Train(_Part):
    gen_q_a_frames_every_n_steps: PositiveInt = 1


class _Evaluate(_Part):
    seed: NonNegativeInt = 0
    confidence_level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    n_bootstrap_samples: PositiveInt = 1


class _Animate(_Part):
    fps: PositiveInt = 1
    every_n_steps: PositiveInt = 1
    rollout_fps: PositiveInt = 1


class _Params(_Part):
    seeds: Annotated[list[NonNegativeInt], Field(min_length=1)] = [0]
    environment: _Environment = _Environment(id="")
    agent: dict[str, Any] = {}
    train: _Train = _Train()
    evaluate: _Evaluate = _Evaluate()
    animate: _Animate = _Animate()


class _OfPolicies(_Part):
    return_iqm: float | None
    return_iqm_low: float | None
    return_iqm_high: float | None
    return_worst_seed: float | None
    solved_share: float | None = None


class _Metrics(_Part):
    median_seed: Annotated[int, Field(ge=0, lt=2**64)]
    best: _OfPolicies
    final: _OfPolicies
    episodes_to_solve_median: float | None = None
    environment_steps_to_solve_median: float | None = None


def lock_in(text: str) -> dict[str, Any]:
    """Contents of dvc.lock.

    Raises:
        DamagedFileError: The text is no dvc.lock.
    """
    lock = yaml_in(text, LOCK)
    _check(_Lock, lock, LOCK)
    for entry in lock.get("stages", {}).values():
        params: dict[str, Any] = {}
        override(params, entry)
        _check(_Params, params, LOCK)
    return lock


def params_in(text: str, lock: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The parameters that made some results.

    Args:
        text: Contents of params.yaml.
        lock: Contents of dvc.lock, whose parameters override those of params.yaml.

    Raises:
        DamagedFileError: The text is no params.yaml, or lacks seeds or environment.
    """
    params = params_of_results(yaml_in(text, PARAMS), lock or {})
    for name in ("seeds", "environment"):
        if name not in params:
            raise DamagedFileError(f"{PARAMS}: {name}: expected a value, found nothing")
    _check(_Params, params, PARAMS)
    return params


def json_in(content: bytes | str, name: str) -> dict[str, Any]:
    """A JSON object.

    Args:
        content: Contents of the file.
        name: Its name in errors.

    Raises:
        DamagedFileError: The file holds something else.
    """
    try:
        contents = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{name}: expected JSON, received something else ({error})") from None
    return _as_mapping(contents, name)


def metrics_in(content: bytes | str, name: str) -> dict[str, Any]:
    """As `json_in`, for evaluate's metrics.json."""
    metrics = json_in(content, name)
    _check(_Metrics, metrics, name)
    return metrics


def yaml_in(text: str, name: str) -> dict[str, Any]:
    """A YAML mapping of plain values; an empty file is an empty mapping.

    Args:
        text: Contents of the file.
        name: Its name in errors.

    Raises:
        DamagedFileError: The file holds something else.
    """
    if re.search("^<{7} ", text, re.MULTILINE):
        raise DamagedFileError(f"{name}: expected YAML, received an unresolved merge; {_RESOLVE}")
    try:
        contents = _parse(text)
    except MarkedYAMLError as error:
        where = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise DamagedFileError(f"{name}: expected YAML, received something else ({error.problem}{where})") from None
    except (YAMLError, ValueError, TypeError, LookupError, RecursionError) as error:
        received = " ".join(str(error).split())
        raise DamagedFileError(f"{name}: expected YAML, received something else ({received})") from None
    return {} if contents is None else _as_mapping(contents, name)


def load_yaml(source: str | Path) -> Any:
    """Parse YAML 1.2, as DVC does.

    Args:
        source: A text, or a file.

    Raises:
        OSError: The file cannot be read.
        YAMLError, ValueError, LookupError, RecursionError: It is not YAML, or its aliases expand to too much.
    """
    contents = YAML(typ="safe", pure=True).load(source)
    sizes: dict[int, int] = {}
    if _expanded_size(contents, sizes) > _MOST_VALUES:
        raise ValueError(f"its aliases expand to more than {_MOST_VALUES:,} values")
    return contents


def _expanded_size(value: Any, sizes: dict[int, int]) -> int:
    """The number of values in a nested one, where what aliases share counts each time, but is visited once."""
    if not isinstance(value, dict | list):
        return 1
    if sizes.get(id(value)) == _IN_PROGRESS:
        raise ValueError("an alias contains itself")
    if id(value) not in sizes:
        sizes[id(value)] = _IN_PROGRESS
        items = value.values() if isinstance(value, dict) else value
        sizes[id(value)] = 1 + sum(_expanded_size(item, sizes) for item in items)
    return sizes[id(value)]


def _as_mapping(contents: Any, name: str) -> dict[str, Any]:
    if not isinstance(contents, dict):
        raise DamagedFileError(f"{name}: expected a mapping, received {shortened(contents)}")
    return contents


@cache  # Reading a lock takes 50 ms, and many commits share one.
def _parse(text: str) -> Any:
    contents = load_yaml(text)
    # Rejects dates, integers of thousands of digits and lone surrogates, which cannot be shown.
    json.dumps(contents, ensure_ascii=False).encode()
    return contents


def _check(model: type[BaseModel], contents: Any, name: str) -> None:
    try:
        model.model_validate(contents)
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{name}: {'.'.join(map(str, first['loc']))}"
        if first["type"] == "missing":
            raise DamagedFileError(f"{where}: expected a value, found nothing") from None
        expected = first["msg"].removeprefix("Input should be ")
        raise DamagedFileError(f"{where}: expected {expected}, received {shortened(first['input'])}") from None
