"""Digests of results and parameters, from the files or, as DVC computes the same hashes, from dvc.lock alone."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.stages import PARAMS, STAGES, TRAIN, flatten


def content_digest(path: Path) -> str:
    """Hash of a file or folder, as DVC computes it for dvc.lock."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, _md5).hexdigest()
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    # .dvcignore names it.
    files = {name: file for name, file in files.items() if "__pycache__" not in name.split("/")}
    listing = [{"md5": content_digest(files[name]), "relpath": name} for name in sorted(files)]
    return f"{_md5(json.dumps(listing).encode()).hexdigest()}.dir"


def stage_digest(stage: str, results: Path) -> str:
    """SHA-256 over the hashes of a stage's outputs; other files in its folder are ignored.

    Args:
        stage: `train`, `evaluate` or `animate`.
        results: The folder of result files.

    Raises:
        FileNotFoundError: The stage has no folder there.
    """
    folder = results / stage
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of results, found none")
    outputs = (path for path in folder.iterdir() if path.name in STAGES[stage].written)
    return _digest_of_outputs({path.name: content_digest(path) for path in outputs})


def locked_digests(lock: Mapping[str, Any]) -> dict[str, str]:
    """What `stage_digest` returns for the files that dvc.lock describes, computed without them.

    Args:
        lock: Contents of dvc.lock.

    Returns:
        A digest by stage, in order, up to the first stage that is absent, or was not made from the outputs and the
        parameters of the stages before it: a lock also describes what other stages once made.
    """
    digests: dict[str, str] = {}
    produced: dict[str, str | None] = {}
    used: dict[str, Any] = {}
    for name, stage in STAGES.items():
        entry = lock.get("stages", {}).get(name, {})
        read, written, params = _hashes(entry, "deps"), _hashes(entry, "outs"), _params(entry)
        if not written or not (_agree(read, produced) and _agree(params, used)):
            break
        prefix = f"{stage.folder.as_posix()}/"
        digests[name] = _digest_of_outputs({path.removeprefix(prefix): value for path, value in written.items()})
        produced |= written
        used |= params
    return digests


def _md5(data: bytes = b"") -> Any:
    return hashlib.md5(data, usedforsecurity=False)


def _hashes(entry: Mapping[str, Any], kind: str) -> dict[str, str | None]:
    return {item["path"]: item.get("md5") for item in entry.get(kind, [])}


def _params(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Single parameters that a stage in dvc.lock read, by their dotted paths."""
    return dict(flatten(entry.get("params", {}).get(PARAMS, {}), "."))


def _agree(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether values that both have are equal."""
    return all(a[name] == b[name] for name in a.keys() & b.keys())


def _digest_of_outputs(hashes: Mapping[str, str | None]) -> str:
    return hashlib.sha256("".join(f"{hashes[name]} {name}\0" for name in sorted(hashes)).encode()).hexdigest()


def config_hash(params: Mapping[str, Any]) -> str:
    """Short hash of the parameters that determine learning, except the seeds."""
    settings = params.get(TRAIN.name, {})
    train = {name: value for name, value in settings.items() if f"{TRAIN.name}.{name}" not in TRAIN.without_effect}
    learning = {"environment": params["environment"], "agent": params.get("agent"), "train": train}
    return hashlib.sha256(json.dumps(learning, sort_keys=True).encode()).hexdigest()[:12]


def complete_stages(results: Path, lock: Mapping[str, Any]) -> tuple[str, ...]:
    """The stages with complete results, up to the first without.

    Args:
        results: The folder of result files.
        lock: Contents of dvc.lock. The files of a stage that it names must be those it describes, made from the
            upstream files it describes. A stage that it does not name must have written all its files.
    """
    locked = locked_digests(lock)
    stages: list[str] = []
    for name, stage in STAGES.items():
        folder = results / name
        if name in lock.get("stages", {}):
            complete = folder.is_dir() and stage_digest(name, results) == locked.get(name)
        else:
            complete = all((folder / file).exists() for file in stage.written)
        if not complete:
            break
        stages.append(name)
    return tuple(stages)


def params_of_results(params: Mapping[str, Any], lock: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that made the results: those of params.yaml, overridden by those in dvc.lock.

    Of the stages in dvc.lock only those of one result count; see `locked_digests`.
    """
    merged: dict[str, Any] = json.loads(json.dumps(params))
    for stage in locked_digests(lock):
        override(merged, lock["stages"][stage])
    return merged


def override(params: dict[str, Any], entry: Mapping[str, Any]) -> None:
    """Replace parameters by those of a stage in dvc.lock."""
    for path, value in entry.get("params", {}).get(PARAMS, {}).items():
        *sections, name = path.split(".")
        section = params
        for part in sections:
            if not isinstance(section.get(part), dict):
                section[part] = {}
            section = section[part]
        section[name] = value
