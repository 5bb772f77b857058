"""Where the train stage keeps its checkpoints: outside DVC's outputs, by what determines its result."""

import contextlib
import hashlib
import json
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout
from ruamel.yaml import YAML

from ddpg.config import TrainingConfig
from pipeline.params import Params
from pipeline.provenance.digests import content_digest
from pipeline.provenance.git import project_root

FOLDER = ".checkpoints"
MAX_LEFTOVERS = 3
"""Trainings that were given up and may still be taken up."""
_CODE = Path(__file__).resolve().parents[2]
_LIBRARIES = ("tensorflow", "keras", "numpy", "gymnasium")


def training_key(params: Params) -> str:
    """Names what determines how a seed is trained: parameters, the stage's code and the libraries beneath."""
    stages = YAML(typ="safe", pure=True).load(_CODE / "dvc.yaml")["stages"]
    determines = {
        "environment": params.environment.model_dump(mode="json"),
        "agent": params.agent.model_dump(mode="json"),
        "train": params.train.model_dump(mode="json", include=set(TrainingConfig.model_fields)),
        "code": {name: content_digest(_CODE / name) for name in stages["train"]["deps"]},
        "versions": {name: version(name) for name in _LIBRARIES} | {"python": platform.python_version()},
    }
    return hashlib.sha256(json.dumps(determines, sort_keys=True).encode()).hexdigest()[:16]


@contextlib.contextmanager
def kept(key: str) -> Iterator[Path | None]:
    """The folder for a training's checkpoints, with one folder a seed in it; removed unless the training fails.

    It is `None`, with a warning, where another process trains the very same, or where nothing can be written.
    """
    folder = project_root() / FOLDER / key
    lock = FileLock(folder / "lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        _warn("another process trains the same; this training keeps no checkpoints")
    except OSError as error:
        _warn(f"this training keeps no checkpoints ({error})")
    if not lock.is_locked:
        yield None
        return
    try:
        with contextlib.suppress(OSError):  # another process may remove one meanwhile
            folder.touch()  # the newest of all
            _remove_leftovers(folder)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        lock.release()
        with contextlib.suppress(OSError):
            folder.parent.rmdir()  # if it is empty


def is_training(key: str) -> bool:
    """Whether a process of this machine trains by this key now."""
    folder = project_root() / FOLDER / key
    # Keys come from the tags of a store, too, and must not lead elsewhere.
    if not re.fullmatch("[0-9a-f]+", key) or not folder.is_dir():
        return False
    try:
        with FileLock(folder / "lock", timeout=0):
            return False
    except Timeout:
        return True


def _remove_leftovers(present: Path) -> None:
    """The oldest, but for those that are in use."""
    others = [folder for folder in present.parent.iterdir() if folder.is_dir() and folder != present]
    for folder in sorted(others, key=lambda folder: folder.stat().st_mtime)[:-MAX_LEFTOVERS]:
        with contextlib.suppress(Timeout, OSError), FileLock(folder / "lock", timeout=0):
            shutil.rmtree(folder, ignore_errors=True)


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)
