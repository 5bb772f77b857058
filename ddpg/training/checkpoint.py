"""A training on disk, so that it can be resumed after an interruption as if there had been none.

A folder holds the two newest states, and the training's log in segments of which each names the one before it. A save
writes one state and what was logged since the save before, so what it writes does not grow with the log; the number of
files does, by one a save. Files are never changed: they are written under another name, flushed and renamed. Each
begins with the SHA-256 of the rest, which is a line of JSON and then arrays; a segment's name is its digest, so that a
state vouches for everything before it.

What a state and a log hold is up to the parts that give them: nested dictionaries of arrays and JSON values.
"""

import hashlib
import io
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ddpg.arrays import load_arrays, save_arrays
from ddpg.training.trainer import LogLengths, Trainer

FORMAT_VERSION = 3
T = TypeVar("T")
_ARRAY = "$array"
_FILE = re.compile(r"(state-\d{8}|history-[0-9a-f]{64})\.checkpoint(\.tmp)?")


class CheckpointError(ValueError):
    """No checkpoint of a folder can be used; the message says why, file by file."""


class CheckpointWarning(UserWarning):
    """A checkpoint cannot be used, and an older one is."""


@dataclass
class Written:
    """What a folder holds of a training."""

    folder: Path
    state: str | None = None
    """Name of the newest state's file."""
    segments: list[str] = field(default_factory=list)
    """Digests, in order."""
    lengths: LogLengths = (0, 0, 0, 0, 0)
    """Of the log in the segments."""


class Checkpoint(NamedTuple):
    """A checkpoint as read."""

    written: Written
    identity: Mapping[str, Any]
    """What `save` was given."""
    state: Mapping[str, Any]
    """What `Trainer.state_dict` returned."""
    segments: Iterator[Mapping[str, NDArray[Any]]]
    """What `Trainer.log_since` returned, save by save; read one at a time, as all may not fit into memory."""


def save(trainer: Trainer, identity: Mapping[str, Any], folder: Path, before: Written | None) -> Written:
    """Writes a checkpoint; the folder keeps it and the one before, and none of another training.

    Args:
        trainer: Whose state and log are written.
        identity: JSON values that tell this training from others; see `require`.
        folder: Created if necessary.
        before: What the last save returned.

    Raises:
        RuntimeError: An episode is under way.
        OSError: It cannot be written; the checkpoints before it are untouched.
    """
    tree, arrays = _split(trainer.state_dict())
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if before is None or before.folder != folder or not _exist(before):
        before = Written(folder)
    segments = list(before.segments)
    present = _files(folder)
    numbers = [int(path.name[6:14]) for path in present if path.match("state-*.checkpoint")]
    name = f"state-{max(numbers, default=0) + 1:08d}"
    try:
        if trainer.log_lengths != before.lengths:
            link = {"previous": segments[-1] if segments else None}
            segments.append(_write(folder, None, link, trainer.log_since(before.lengths)))
        last = segments[-1] if segments else None
        document = {"format": FORMAT_VERSION, "identity": identity, "state": tree, "history": last}
        _write(folder, name, document, arrays)
    except OSError:
        # A segment without its state would take space where there is none.
        for path in _files(folder) - present:
            path.unlink(missing_ok=True)
        raise
    needed = {name, before.state, *(f"history-{digest}" for digest in segments)}
    for path in _files(folder):
        if path.name.removesuffix(".checkpoint") not in needed:
            path.unlink(missing_ok=True)
    return Written(folder, name, segments, trainer.log_lengths)


def newest(folder: Path, use: Callable[[Checkpoint], T]) -> T:
    """What `use` returns for the newest intact checkpoint that it accepts.

    Warns:
        CheckpointWarning: Names a checkpoint that is damaged, or that `use` rejects by a `ValueError`.

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
            return use(_read_checkpoint(path))
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            reason = str(error) if isinstance(error, (OSError, ValueError)) else f"{error!r}"
            problems.append(f"{path.name} cannot be used: {reason}")
            warnings.warn(f"{folder}: {problems[-1]}", CheckpointWarning, stacklevel=3)
    raise CheckpointError("\n".join([f"{folder}: expected a checkpoint of this training, found none", *problems]))


def require(identity: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Checks that a checkpoint is of the expected training.

    Raises:
        ValueError: It is of another; the message names the first difference.
    """
    for path, value in _leaves(json.loads(json.dumps(expected))):
        received: Any = identity
        for part in path:
            received = received[part]
        if received != value:
            raise ValueError(f"{'.'.join(path)}: expected {value!r}, received {received!r}")


def restore(trainer: Trainer, checkpoint: Checkpoint, config: Any) -> Written:
    """Puts a new trainer of the same identity in the checkpoint's state; returns what later saves build on.

    Args:
        trainer: New.
        checkpoint: As read.
        config: How the agent was trained; `None` if it was not.

    Raises:
        ValueError, KeyError, TypeError, IndexError: The checkpoint is another trainer's.
    """
    trainer.load_state_dict(checkpoint.state, config)
    for segment in checkpoint.segments:
        trainer.extend_log(segment)
    checkpoint.written.lengths = trainer.log_lengths
    return checkpoint.written


def _split(tree: Any, path: str = "") -> tuple[Any, dict[str, NDArray[Any]]]:
    """A nested state as JSON values, with a reference in the place of each array, and the arrays by reference."""
    if isinstance(tree, np.ndarray):
        return {_ARRAY: path}, {path: tree}
    if not isinstance(tree, (Mapping, list)):
        return tree, {}
    items = tree.items() if isinstance(tree, Mapping) else enumerate(tree)
    parts = {name: _split(item, f"{path}/{name}" if path else str(name)) for name, item in items}
    arrays = {reference: array for _, found in parts.values() for reference, array in found.items()}
    plain = {name: part for name, (part, _) in parts.items()}
    return (plain if isinstance(tree, Mapping) else list(plain.values())), arrays


def _join(tree: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """The inverse of `_split`."""
    if isinstance(tree, list):
        return [_join(item, arrays) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if _ARRAY in tree:
        return arrays[tree[_ARRAY]]
    return {name: _join(item, arrays) for name, item in tree.items()}


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.iterdir() if _FILE.fullmatch(path.name)}


def _exist(written: Written) -> bool:
    return all((written.folder / f"history-{digest}.checkpoint").exists() for digest in written.segments[-1:])


def _write(folder: Path, name: str | None, document: Mapping[str, Any], arrays: Mapping[str, Any]) -> str:
    """Writes a file, all or nothing, and returns its digest; one without a name is a segment of history."""
    stream = io.BytesIO()
    save_arrays(stream, arrays)
    content = json.dumps(document, default=lambda number: number.item()).encode() + b"\n" + stream.getvalue()
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


def _read(path: Path) -> tuple[str, dict[str, Any], dict[str, NDArray[Any]]]:
    digest, _, content = path.read_bytes().partition(b"\n")
    if hashlib.sha256(content).hexdigest().encode() != digest:
        raise ValueError(f"{path.name} is damaged: its checksum does not match")
    document, _, arrays = content.partition(b"\n")
    return digest.decode(), json.loads(document), load_arrays(io.BytesIO(arrays))


def _read_checkpoint(path: Path) -> Checkpoint:
    _, document, arrays = _read(path)
    require(document, {"format": FORMAT_VERSION})
    segments: list[Path] = []
    digests: list[str] = []
    wanted = document["history"]
    while wanted is not None:
        segment = path.parent / f"history-{wanted}.checkpoint"
        if not segment.exists():
            raise ValueError(f"{segment.name} is missing")
        digest, link, _ = _read(segment)
        if digest != wanted:
            raise ValueError(f"{segment.name} is damaged: it holds another segment")
        digests.append(digest)
        segments.append(segment)
        wanted = link["previous"]
    written = Written(path.parent, path.stem, digests[::-1])
    logs = (_read(segment)[2] for segment in reversed(segments))
    return Checkpoint(written, document["identity"], _join(document["state"], arrays), logs)


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, (*path, name))
    else:
        yield path, value
