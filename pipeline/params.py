"""`params.yaml` as validated objects. The file must state every value: there are no defaults."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, Strict, ValidationError, field_validator
from ruamel.yaml.error import YAMLError

from ddpg.base_config import Config, Count, PositiveCount
from ddpg.config import AgentConfig, TrainingConfig
from ddpg.environments import pictures
from ddpg.environments.contract import check_made
from ddpg.environments.interface import UnsuitableEnvironmentError, make, prepare, reward_threshold, scaler_of
from ddpg.training.snapshots import StateGrid
from pipeline.errors import ParamsError
from pipeline.provenance.documents import load_yaml
from pipeline.stages import PARAMS

PARAMS_FILE = Path(PARAMS)


class EnvironmentConfig(Config):
    """The Gymnasium environment."""

    id: str
    """Its registered name."""
    kwargs: dict[str, Any]
    """Arguments of `gymnasium.make`."""


class TrainConfig(TrainingConfig):
    """The train stage."""

    gen_q_a_frames_every_n_steps: PositiveCount
    """As in `TrainingConfig`, but not 0: the animate stage draws these snapshots."""
    workers: PositiveCount | None = None
    """Processes that train seeds in parallel; `None`: one per core."""
    checkpoint_every: Count = 10
    """Episodes between checkpoints, from which an interrupted seed resumes; 0: none. More where episodes are so short
    that checkpoints would take more than 2 % of the time. Finished seeds are always kept for reuse, in `.seeds/`."""


class EvaluateConfig(Config):
    """The evaluate stage."""

    n_episodes: PositiveCount
    """Number of start states, the same for every policy."""
    seed: Annotated[int, Field(ge=0)]
    """Seed of the start states and of the bootstrap."""
    confidence_level: Annotated[float, Field(gt=0, lt=1)]
    """Confidence level of the intervals over seeds."""
    n_bootstrap_samples: PositiveCount
    """Bootstrap resamples of the seeds for each interval."""


class AnimateConfig(Config):
    """The animate stage."""

    fps: PositiveCount
    """Frames per second of the training animation."""
    every_n_steps: PositiveCount
    """Agent steps between its frames."""
    gif_width: Annotated[int, Field(ge=64)]
    """In pixels."""
    gif_frames: Annotated[int, Field(ge=2)]
    """Maximum number of frames, evenly spaced."""
    rollout_episodes: Count
    """Evaluation episodes shown side by side; 0: none, which saves time in quick tries."""
    rollout_fps: PositiveCount
    """Environment steps per second of the rollout; up to 30 of them are drawn."""


class TrackingConfig(Config):
    """What MLflow receives besides the results, which do not depend on it."""

    pictures_every_n_episodes: Count
    """Training episodes between pictures of each seed's networks; 0: no pictures."""


class Params(Config):
    """All of `params.yaml`."""

    seeds: Annotated[tuple[Annotated[int, Field(ge=0), Strict()], ...], Field(min_length=1, strict=False)]
    """One agent is trained for each."""
    environment: EnvironmentConfig
    agent: AgentConfig
    train: TrainConfig
    evaluate: EvaluateConfig
    animate: AnimateConfig
    tracking: TrackingConfig

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"expected seeds that differ, received {list(seeds)}")
        if max(seeds) >= 2**63:
            raise ValueError(f"expected seeds below 2^63, which tables can hold, received {max(seeds)}")
        return seeds


def load(path: Path = PARAMS_FILE) -> Params:
    """Reads the file and checks its values, as `validate` does.

    Raises:
        ParamsError: The file is missing, is not YAML, or has invalid values.
    """
    return validate(_read(path), path.name)


def validate(document: Mapping[str, Any], name: str) -> Params:
    """Checks that values are valid and the environment suits the agent.

    Args:
        document: Contents of `params.yaml`.
        name: What errors call it.

    Raises:
        ParamsError: Values are invalid; all are listed. The environment is checked only if all values are valid.
    """
    problems = list(_missing(Params, document))
    try:
        params = Params.model_validate(document)
    except ValidationError as error:
        problems += list(
            dict.fromkeys(_describe(details) for details in error.errors() if not _is_missing_key(details))
        )
    else:
        problems += list(_environment_problems(params))
    if problems:
        raise ParamsError("\n".join(f"{name}: {problem}" for problem in problems))
    return params


def picture_problem(params: Params) -> str | None:
    """Why the animate stage cannot film the environment; `None` if it can."""
    return pictures.problem(params.environment.id, params.environment.kwargs)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = load_yaml(path)
    except FileNotFoundError:
        raise ParamsError(f"{path.name}: expected in {Path.cwd()}, found no file") from None
    except OSError as error:
        raise ParamsError(f"{path.name}: expected a file that can be read, received {error.strerror}") from None
    # Such as invalid UTF-8, integers of thousands of digits, lists nested a thousand deep.
    except (YAMLError, ValueError, LookupError, RecursionError) as error:
        raise ParamsError(f"{path.name}: expected YAML\n{error}") from None
    if not isinstance(document, dict):
        raise ParamsError(f"{path.name}: expected a mapping of sections, received {document!r}")
    return document


def _is_missing_key(error: Mapping[str, Any]) -> bool:
    """Whether `_missing` reports it; in a list that is too short, the missing item's location is an index."""
    return error["type"] == "missing" and isinstance(error["loc"][-1], str)


def _missing(model: type[BaseModel], values: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Problems of keys absent from the file, even if the library has a default."""
    for name, field in model.model_fields.items():
        if name not in values:
            yield f"{path}{name}: expected {_expected(_schema_at([*path.split('.')[:-1], name]))}, found nothing"
            continue
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel) and isinstance(values[name], Mapping):
            yield from _missing(section, values[name], f"{path}{name}.")


def _describe(error: Mapping[str, Any]) -> str:
    """A pydantic error as `path: expected …, received …`."""
    location = error["loc"]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    if error["type"] == "invalid_key" or location[-1] == "[key]":
        return f"{path.removesuffix('.[key]')}: expected a name as key, received {error['input']!r}"
    if error["type"] == "missing":
        return f"{path}: expected {_expected(_schema_at(location))}, found nothing"
    if error["type"] == "value_error":
        reason = str(error["ctx"]["error"])
        # A validator of a section names the key itself.
        return f"{path}.{reason}" if re.match(r"\w+: ", reason) else f"{path}: {reason}"
    if error["type"] == "extra_forbidden":
        known = _schema_at(location[:-1])["properties"]
        close = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.4)
        return f"{path}: unknown; expected {f'{close[0]!r}?' if close else 'one of ' + ', '.join(known)}"
    return f"{path}: expected {_expected(_schema_at(location))}, received {error['input']!r}"


def _schema_at(location: Sequence[Any]) -> dict[str, Any]:
    """The JSON schema of the value at this location."""
    root = Params.model_json_schema()
    schema = root
    for part in location:
        schema = _without_null(schema)
        if isinstance(part, int):
            schema = schema["prefixItems"][part] if "prefixItems" in schema else schema["items"]
        else:
            schema = schema["properties"][part]
        if "$ref" in schema:
            schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    return schema["anyOf"][0] if "anyOf" in schema else schema


def _expected(schema: dict[str, Any]) -> str:
    """A JSON schema in words."""
    if "anyOf" in schema:
        return " or ".join(_expected(option) for option in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return {"integer": "a whole number", "number": "a number"}[kind] + _range(schema)
    if kind == "array":
        if "prefixItems" in schema:
            return f"a list of {len(schema['prefixItems'])}: " + ", ".join(map(_expected, schema["prefixItems"]))
        return f"a list{', not empty' * ('minItems' in schema)}, each {_expected(schema['items'])}"
    return {"boolean": "true or false", "string": "a text", "object": "a mapping", "null": "null"}[str(kind)]


def _range(schema: dict[str, Any]) -> str:
    low, high = (
        schema.get("minimum", schema.get("exclusiveMinimum")),
        schema.get("maximum", schema.get("exclusiveMaximum")),
    )
    if low is None and high is None:
        return ""
    opening = "[" if "minimum" in schema else "("
    closing = "]" if "maximum" in schema else ")"
    if high is None:
        return f" of at least {low}" if opening == "[" else f" above {low}"
    return f" in {opening}{low:g}, {high:g}{closing}"


def _environment_problems(params: Params) -> Iterator[str]:
    make_env = partial(make, params.environment.id, params.environment.kwargs)
    try:
        env = make_env()
    except Exception as error:  # an environment's constructor raises anything
        received = f"{params.environment.id!r} ({error})"
        yield f"environment: expected an environment that Gymnasium can make, received {received}"
        return
    try:
        with env:
            prepare(env)
            observations, actions = scaler_of(env.observation_space), scaler_of(env.action_space)
            threshold = reward_threshold(env)
        problems = check_made(make_env)
    except UnsuitableEnvironmentError as error:
        yield f"environment.id: {params.environment.id!r} does not suit DDPG: {error}"
        return
    except Exception as error:  # and so do its steps
        yield f"environment.id: {params.environment.id!r} fails in a trial: {type(error).__name__}: {error}"
        return
    yield from problems
    try:
        params.train.target(threshold)
    except ValueError as error:
        yield f"train.{error}"
    try:
        StateGrid(params.train.grid, observations, actions.low.size)
    except ValueError as error:
        yield f"train.grid.{error}"
