"""A training on disk, so that it goes on after an interruption as if there had been none.

A folder holds the two newest states, and the history in segments of which each names the one before it. A save writes
one state and what happened since the save before, so what it writes does not grow with the history; the number of
files does, by one a save. Files are never changed: they are written under another name, flushed and renamed. Each
begins with the SHA-256 of the rest, which is a line of JSON and then arrays; a segment's name is taken from its digest,
so that a state vouches for all before it.
"""

import hashlib
import io
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ddpg.algorithm.policy import bounds_as_json
from ddpg.config import TrainingConfig
from ddpg.environments.interface import copies
from ddpg.history import EpisodeRecord, TrainingHistory, load_arrays, save_arrays
from ddpg.numerics.backend import tf
from ddpg.training.trainer import Checkpoint, TrainingProgress

if TYPE_CHECKING:
    from ddpg.agent import DDPG

FORMAT_VERSION = 1
T = TypeVar("T")
_BUFFER_NUMBERS = ("n_added", "reward_mean", "_reward_squares")
_FILE = re.compile(r"(state-\d{8}|history-[0-9a-f]{64})\.checkpoint(\.tmp)?")


class CheckpointError(ValueError):
    """No checkpoint of a folder can be used; the message says why not, file by file."""


class CheckpointWarning(UserWarning):
    """A checkpoint cannot be used, and an older one is."""


@dataclass
class Written:
    """What of an agent a folder holds."""

    folder: Path
    state: str | None = None
    """Name of the newest state's file."""
    segments: list[str] = field(default_factory=list)
    """Digests, in order."""
    counts: tuple[int, ...] = (0, 0, 0, 0)
    """Training episodes, test episodes, snapshots and records in the segments."""


class State(NamedTuple):
    """A checkpoint as read."""

    written: Written
    document: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    segments: Sequence[Mapping[str, NDArray[Any]]]


def save(agent: "DDPG", folder: Path) -> None:
    """Writes a checkpoint; the folder keeps it and the one before, and no checkpoint of another training.

    Raises:
        RuntimeError: An episode is under way.
        OSError: It cannot be written; the checkpoints before it are untouched.
    """
    if agent.progress is not None and agent.progress.in_episode:
        raise RuntimeError("save_checkpoint: expected to be called between two episodes, received a call within one")
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    before = agent.written
    if before is None or before.folder != folder or not _exist(before):
        before = Written(folder)
    segments = list(before.segments)
    counts = _counts(agent)
    present = _files(folder)
    numbers = [int(path.name[6:14]) for path in present if path.match("state-*.checkpoint")]
    name = f"state-{max(numbers, default=0) + 1:08d}"
    try:
        if counts != before.counts:
            link = {"previous": segments[-1] if segments else None}
            segments.append(_write(folder, None, link, _since(agent, before.counts)))
        _write(folder, name, _document(agent, segments), _arrays(agent))
    except OSError:
        # A segment without its state would take space where there is none.
        for path in _files(folder) - present:
            path.unlink(missing_ok=True)
        raise
    agent.written = Written(folder, name, segments, counts)
    kept = {name, before.state, *(f"history-{digest}" for digest in segments)}
    for path in _files(folder):
        if path.name.removesuffix(".checkpoint") not in kept:
            path.unlink(missing_ok=True)


def newest(folder: Path, use: Callable[[State], T]) -> T:
    """What `use` makes of the newest checkpoint that is whole and that it takes.

    Warns:
        CheckpointWarning: Names a checkpoint that is damaged, or that `use` refuses by a `ValueError`.

    Raises:
        FileNotFoundError: The folder holds no checkpoint.
        CheckpointError: It holds none that can be used.
    """
    folder = Path(folder).resolve()
    paths = sorted(folder.glob("state-*.checkpoint"), reverse=True)
    if not paths:
        raise FileNotFoundError(f"{folder}: expected a checkpoint, found none")
    problems = []
    for path in paths:
        try:
            return use(_read_state(path))
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            reason = str(error) if isinstance(error, (OSError, ValueError)) else f"{error!r}"
            problems.append(f"{path.name} cannot be used: {reason}")
            warnings.warn(f"{folder}: {problems[-1]}", CheckpointWarning, stacklevel=3)
    raise CheckpointError("\n".join([f"{folder}: expected a checkpoint of this training, found none", *problems]))


def require(document: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Compares what a checkpoint says of its training.

    Raises:
        ValueError: It is another; the message names the first difference.
    """
    for path, value in _leaves(json.loads(json.dumps(expected))):
        received: Any = document
        for part in path:
            received = received[part]
        if received != value:
            raise ValueError(f"{'.'.join(path)}: expected {value!r}, received {received!r}")


def identity(agent: "DDPG") -> dict[str, Any]:
    """What tells this agent's checkpoints from others'."""
    return {
        "format": FORMAT_VERSION,
        "seed": agent.seed,
        "agent": agent.config.model_dump(mode="json"),
        "observation_space": bounds_as_json(agent.observations),
        "action_space": bounds_as_json(agent.actions),
    }


def training_as_json(config: TrainingConfig) -> dict[str, Any]:
    """The fields of `TrainingConfig`, also of a class that adds some."""
    return config.model_dump(mode="json", include=set(TrainingConfig.model_fields))


def restore(agent: "DDPG", state: State) -> None:
    """Puts a new agent of the same identity where the checkpoint's was.

    Raises:
        ValueError, KeyError, TypeError: The checkpoint is another agent's.
    """
    document, arrays = state.document, state.arrays
    agent.learner.state = _learner_state(agent, arrays, "")
    if document["best"] is not None:
        agent.best = Checkpoint(**document["best"], state=_learner_state(agent, arrays, "best_"))
    agent.n_updates, agent.n_successes = document["n_updates"], document["n_successes"]
    rows = arrays["rows"]
    if rows.shape[1:] != agent.replay_buffer.rows.shape[1:]:
        raise ValueError(f"rows: expected shape {agent.replay_buffer.rows.shape}, received {rows.shape}")
    agent.replay_buffer.rows[: len(rows)] = rows
    for name in _BUFFER_NUMBERS:
        setattr(agent.replay_buffer, name, document["replay_buffer"][name])
    agent.noise.state = arrays["noise"]
    for segment in state.segments:
        part = TrainingHistory.from_arrays(segment)
        agent.history.training_episodes += part.training_episodes
        agent.history.test_episodes += part.test_episodes
        agent.history.snapshots += part.snapshots
        agent.history.grid = part.grid
        columns = [segment[f"record_{name}"].tolist() for name in EpisodeRecord._fields]
        agent.records += [EpisodeRecord(*values) for values in zip(*columns, strict=True)]
    progress = document["progress"]
    if progress is not None:
        agent.progress = TrainingProgress(
            TrainingConfig(**document["training"]), progress["epsilon"], progress["episodes_left"]
        )
    state.written.counts = _counts(agent)
    agent.written = state.written
    n_validating = sum(name.startswith("validation_environment") for name in document["generators"])
    agent._validation_envs = copies(agent.env, n_validating)
    for name, generator in _generators(agent).items():
        if document["generators"].get(name) is not None:
            generator.bit_generator.state = document["generators"][name]


def _counts(agent: "DDPG") -> tuple[int, ...]:
    history = agent.history
    return len(history.training_episodes), len(history.test_episodes), len(history.snapshots), len(agent.records)


def _since(agent: "DDPG", counts: tuple[int, ...]) -> dict[str, Any]:
    """The history and the records but for the first of each, as arrays."""
    n_training, n_test, n_snapshots, n_records = counts
    history = agent.history
    part = replace(
        history,
        training_episodes=history.training_episodes[n_training:],
        test_episodes=history.test_episodes[n_test:],
        snapshots=history.snapshots[n_snapshots:],
    )
    records = agent.records[n_records:]
    columns = {f"record_{name}": np.array([getattr(each, name) for each in records]) for name in EpisodeRecord._fields}
    return part.to_arrays() | columns


def _document(agent: "DDPG", segments: Sequence[str]) -> dict[str, Any]:
    progress, best, buffer = agent.progress, agent.best, agent.replay_buffer
    return identity(agent) | {
        "training": None if progress is None else training_as_json(progress.config),
        "progress": progress and {"epsilon": progress.epsilon, "episodes_left": progress.episodes_left},
        "n_updates": agent.n_updates,
        "n_successes": agent.n_successes,
        "best": best and {"episode": best.episode, "score": best.score},
        "replay_buffer": {name: getattr(buffer, name) for name in _BUFFER_NUMBERS},
        "generators": {name: each.bit_generator.state for name, each in _generators(agent).items()},
        "history": segments[-1] if segments else None,
    }


def _arrays(agent: "DDPG") -> dict[str, Any]:
    arrays = dict(agent.learner.state._asdict())
    if agent.best is not None:
        arrays |= {f"best_{name}": vector for name, vector in agent.best.state._asdict().items()}
    filled = agent.replay_buffer.rows[: len(agent.replay_buffer)]
    return arrays | {"rows": filled, "noise": agent.noise.state}


def _learner_state(agent: "DDPG", arrays: Mapping[str, NDArray[Any]], prefix: str) -> Any:
    present = agent.learner.state
    vectors = {name: arrays[f"{prefix}{name}"] for name in present._fields}
    for name, vector in vectors.items():
        if vector.shape != getattr(present, name).shape:
            raise ValueError(f"{name}: expected shape {getattr(present, name).shape}, received {vector.shape}")
    return type(present)(**{name: tf.constant(vector) for name, vector in vectors.items()})


def _generators(agent: "DDPG") -> dict[str, np.random.Generator]:
    """Every source of randomness that lasts from one episode to the next."""
    generators = {
        "noise": agent.noise.rng,
        "sampling": agent._sampling,
        "random_actions": agent._random_actions,
    }
    # For environments that ignore the seed of a reset.
    validating = {f"validation_environment_{i}": env for i, env in enumerate(agent._validation_envs)}
    for name, env in {"environment": agent.env, **validating}.items():
        generator = getattr(getattr(env, "unwrapped", env), "np_random", None)
        if isinstance(generator, np.random.Generator):
            generators[name] = generator
    return generators


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.iterdir() if _FILE.fullmatch(path.name)}


def _exist(written: Written) -> bool:
    return all((written.folder / f"history-{digest}.checkpoint").exists() for digest in written.segments[-1:])


def _write(folder: Path, name: str | None, document: Mapping[str, Any], arrays: Mapping[str, Any]) -> str:
    """Writes a file, all or nothing, and returns its digest; one without a name is a segment of history."""
    stream = io.BytesIO()
    save_arrays(stream, arrays)
    content = json.dumps(document, default=_plain).encode() + b"\n" + stream.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    path = folder / f"{name or f'history-{digest}'}.checkpoint"
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(digest.encode() + b"\n")
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):  # not on Windows, where a folder cannot be opened
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return digest


def _plain(value: Any) -> Any:
    """Arrays and numbers of NumPy, which the states of some generators hold."""
    return value.tolist()


def _read(path: Path) -> tuple[str, dict[str, Any], dict[str, NDArray[Any]]]:
    digest, _, content = path.read_bytes().partition(b"\n")
    if hashlib.sha256(content).hexdigest().encode() != digest:
        raise ValueError(f"{path.name} is damaged: its checksum does not fit")
    document, _, arrays = content.partition(b"\n")
    return digest.decode(), json.loads(document), load_arrays(io.BytesIO(arrays))


def _read_state(path: Path) -> State:
    _, document, arrays = _read(path)
    require(document, {"format": FORMAT_VERSION})
    segments, digests = [], []
    wanted = document["history"]
    while wanted is not None:
        segment = path.parent / f"history-{wanted}.checkpoint"
        if not segment.exists():
            raise ValueError(f"{segment.name} is missing")
        digest, link, columns = _read(segment)
        if digest != wanted:
            raise ValueError(f"{segment.name} is damaged: it holds another segment")
        digests.append(digest)
        segments.append(columns)
        wanted = link["previous"]
    return State(Written(path.parent, path.stem, digests[::-1]), document, arrays, segments[::-1])


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, (*path, name))
    else:
        yield path, value
