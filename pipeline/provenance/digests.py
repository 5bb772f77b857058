"""What a result is made of: digests of files and parameters, as DVC computes them and dvc.lock holds them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.stages import STAGES

WITHOUT_EFFECT = ("workers", "checkpoint_every")
"""Parameters of the train stage on which no result depends."""
_REQUIRED = {
    "train": ("episodes.csv", "metrics.json"),
    "evaluate": ("episodes.csv", "metrics.json"),
    "animate": ("training.mp4", "training.gif", "rollout.mp4", "poster.png", "learning_curves.png"),
}


def content_digest(path: Path) -> str:
    """A file's or a folder's hash as DVC computes it and dvc.lock holds it."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, _md5).hexdigest()
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    listing = [{"md5": content_digest(files[name]), "relpath": name} for name in sorted(files)]
    return f"{_md5(json.dumps(listing).encode()).hexdigest()}.dir"


def stage_digest(stage: str, results: Path) -> str:
    """SHA-256 of everything a stage wrote, by the hashes of its outputs; hidden files do not count.

    Args:
        stage: `train`, `evaluate` or `animate`.
        results: The folder of result files.

    Raises:
        FileNotFoundError: The stage has no folder there.
    """
    folder = results / stage
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of results, found none")
    outputs = (path for path in folder.iterdir() if not path.name.startswith("."))
    return _digest_of_outputs({path.name: content_digest(path) for path in outputs})


def locked_digests(lock: Mapping[str, Any]) -> dict[str, str]:
    """What `stage_digest` gives for the files that dvc.lock describes, so that no file is needed.

    Args:
        lock: Contents of dvc.lock.

    Returns:
        A digest by stage, in their order, up to the first stage that is absent or was not made from the outputs of
        the stages before it.
    """
    digests: dict[str, str] = {}
    produced: dict[str, str | None] = {}
    for stage in STAGES:
        entry = lock.get("stages", {}).get(stage, {})
        read, written = _hashes(entry, "deps"), _hashes(entry, "outs")
        if not written or any(read[path] != produced[path] for path in read.keys() & produced.keys()):
            break
        digests[stage] = _digest_of_outputs(
            {path.removeprefix(f"results/{stage}/"): value for path, value in written.items()}
        )
        produced |= written
    return digests


def _md5(data: bytes = b"") -> Any:
    return hashlib.md5(data, usedforsecurity=False)


def _hashes(entry: Mapping[str, Any], kind: str) -> dict[str, str | None]:
    return {item["path"]: item.get("md5") for item in entry.get(kind, [])}


def _digest_of_outputs(hashes: Mapping[str, str | None]) -> str:
    return hashlib.sha256("".join(f"{hashes[name]} {name}\0" for name in sorted(hashes)).encode()).hexdigest()


def config_hash(params: Mapping[str, Any]) -> str:
    """Short hash of the parameters that determine learning; equal for runs that differ in their seeds only."""
    train = {name: value for name, value in params.get("train", {}).items() if name not in WITHOUT_EFFECT}
    learning = {"environment": params["environment"], "agent": params.get("agent"), "train": train}
    return hashlib.sha256(json.dumps(learning, sort_keys=True).encode()).hexdigest()[:12]


def complete_stages(results: Path, lock: Mapping[str, Any]) -> tuple[str, ...]:
    """The stages whose files are those that dvc.lock describes, each made from the upstream files beside it.

    Args:
        results: The folder of result files.
        lock: Contents of dvc.lock; the files of a stage that it does not name are taken as they are.
    """
    locked = locked_digests(lock)
    stages: list[str] = []
    for stage in STAGES:
        if stage in lock.get("stages", {}):
            complete = (results / stage).is_dir() and stage_digest(stage, results) == locked.get(stage)
        else:
            complete = all((results / stage / name).is_file() for name in _REQUIRED[stage])
        if not complete:
            break
        stages.append(stage)
    return tuple(stages)


def params_of_results(params: Mapping[str, Any], lock: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that made the results: those of dvc.lock, where it has them, over those of params.yaml."""
    merged: dict[str, Any] = json.loads(json.dumps(params))
    for stage in STAGES:
        for path, value in lock.get("stages", {}).get(stage, {}).get("params", {}).get("params.yaml", {}).items():
            *sections, name = path.split(".")
            section = merged
            for part in sections:
                if not isinstance(section.get(part), dict):
                    section[part] = {}
                section = section[part]
            section[name] = value
    return merged
