"""Trained seeds and the checkpoints of unfinished ones, kept outside DVC's outputs under all that determines them.

`.seeds/<training key>/<seed>/` holds `checkpoints/` while the seed trains. When it has finished, `trained-<digest>/`
with the seed's results and its `episodes.json` takes their place; the digest covers all of these files.
"""

import importlib.metadata
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout
from ruamel.yaml import YAML

from ddpg.environments.interface import make
from ddpg.numerics import obstacles
from pipeline.params import EnvironmentConfig, Params
from pipeline.provenance.digests import content_digest
from pipeline.provenance.git import project_root
from pipeline.stages import TRAIN

FOLDER = ".seeds"
MAX_BYTES = 2 * 2**30
"""Beyond this size, the seeds that were not used for longest are removed."""
_CODE = Path(__file__).resolve().parents[2]
_LIBRARIES = {"tensorflow", "keras", "numpy", "gymnasium"}
_SIMULATORS = {"box2d", "mujoco"}
_CHECKPOINTS, _TRAINED, _EPISODES = "checkpoints", "trained-", "episodes.json"


def training_key(params: Params) -> str:
    """Return a hash of all that determines a seed's training except the seed itself.

    These are the train stage's parameters, its code, the environment's code and the versions of the libraries.
    """
    determinants = {
        "params": {
            name: value for name, value in TRAIN.select_params(params.model_dump(mode="json")) if name != "seeds"
        },
        "code": {path.relative_to(_CODE).as_posix(): content_digest(path) for path in _stage_code()},
        "environment": _environment_code(params.environment),
        "versions": _versions(_LIBRARIES | _SIMULATORS) | {"python": platform.python_version()},
        "obstacles": obstacles(),
    }
    return sha256(json.dumps(determinants, sort_keys=True).encode()).hexdigest()[:16]


def _stage_code() -> Iterator[Path]:
    dvc = YAML(typ="safe", pure=True).load(_CODE / "dvc.yaml")
    for path in (_CODE / name for name in dvc["stages"]["train"]["deps"]):
        files = [path] if path.is_file() else path.rglob("*")
        # Compiled files appear and change when a module is imported.
        yield from (file for file in files if file.is_file() and "__pycache__" not in file.parts)


def _environment_code(config: EnvironmentConfig) -> dict[str, Any]:
    """Digest of the module that defines the environment, and the version of the package it is in, if installed."""
    with make(config.id, config.kwargs) as env:
        module = type(env.unwrapped).__module__
    file = getattr(sys.modules[module], "__file__", None)
    return {"module": file and content_digest(Path(file)), "version": _versions({module.partition(".")[0]})}


def _versions(distributions: Iterable[str]) -> dict[str, str]:
    return {name: found.version for name in distributions for found in importlib.metadata.distributions(name=name)}


def is_training(key: str) -> bool:
    """Return whether a process on this machine is training seeds under this key."""
    # Keys also come from the tags of an MLflow store, and must not lead elsewhere.
    if not re.fullmatch("[0-9a-f]+", key):
        return False
    return any(_is_locked(path) for path in (project_root() / FOLDER / key).glob("*.lock"))


def _is_locked(path: Path) -> bool:
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


class SeedStore:
    """The stored seeds of one training, locked against other processes while the context is open.

    Args:
        params: The experiment's parameters.
    """

    def __init__(self, params: Params) -> None:
        self.seeds = params.seeds
        self.folder = project_root() / FOLDER / training_key(params)
        self._locks: dict[int, FileLock] = {}

    @property
    def key(self) -> str | None:
        """The training key; `None` if this process does not hold all of the training's seeds."""
        return self.folder.name if len(self._locks) == len(self.seeds) else None

    def __enter__(self) -> Self:
        """Lock the seeds; those that cannot be locked are trained without the store, with a warning."""
        problems: dict[str, list[str]] = {}
        for seed in self.seeds:
            lock = FileLock(self.folder / f"{seed}.lock", timeout=0)
            try:
                self._path(seed).mkdir(parents=True, exist_ok=True)
                os.utime(self._path(seed))
                lock.acquire()
                self._locks[seed] = lock
            except Timeout:
                problems.setdefault("in use by another process", []).append(str(seed))
            except OSError as error:
                problems.setdefault(error.strerror or str(error), []).append(str(seed))
        for problem, seeds in problems.items():
            _warn(f"seeds {', '.join(seeds)}: trained without checkpoints and not stored for reuse ({problem})")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove what exceeds the size limit, and unlock the seeds."""
        _remove_least_recently_used(self.folder)
        for lock in self._locks.values():
            lock.release()

    def directory(self, seed: int) -> Path | None:
        """The directory for a seed's checkpoints and results; `None` if the seed is not locked."""
        return self._path(seed) if seed in self._locks else None

    def restore(self, seed: int, target: Path) -> list[dict[str, Any]] | None:
        """Copy a trained seed's results, which need not be locked, into a new folder.

        Returns:
            The fields of each `EpisodeRecord`, or `None` if the seed has to be trained. A damaged entry is removed with
            a warning.
        """
        for trained in self._path(seed).glob(f"{_TRAINED}*"):
            try:
                shutil.copytree(trained, target)
                # Of the copy: a process that does not hold the lock may copy an entry while it is removed.
                if content_digest(target) != trained.name.removeprefix(_TRAINED):
                    raise ValueError("expected the files that were stored, found others")
                episodes: list[dict[str, Any]] = json.loads((target / _EPISODES).read_text(encoding="utf-8"))
                (target / _EPISODES).unlink()
                return episodes
            except (OSError, ValueError) as error:
                _warn(f"seed {seed}: its stored results are damaged ({error}); it is trained again")
                shutil.rmtree(target, ignore_errors=True)
                if seed in self._locks:
                    shutil.rmtree(trained, ignore_errors=True)
        return None

    def _path(self, seed: int) -> Path:
        return self.folder / str(seed)


def checkpoint_directory(directory: Path) -> Path:
    """Return the folder for the checkpoints of the seed that is stored in this directory."""
    return directory / _CHECKPOINTS


def store(directory: Path, results: Path, episodes: Iterable[Mapping[str, Any]]) -> None:
    """Store a trained seed's results in its directory, in place of its checkpoints.

    Args:
        directory: The seed's, see `SeedStore.directory`.
        results: The folder that holds the results.
        episodes: The fields of each `EpisodeRecord`.

    Raises:
        OSError: The files cannot be written.
    """
    incomplete = directory / "incomplete"
    shutil.rmtree(incomplete, ignore_errors=True)
    shutil.copytree(results, incomplete)
    (incomplete / _EPISODES).write_text(json.dumps(list(episodes)), encoding="utf-8")
    incomplete.rename(directory / f"{_TRAINED}{content_digest(incomplete)}")
    shutil.rmtree(checkpoint_directory(directory), ignore_errors=True)


def _remove_least_recently_used(present: Path) -> None:
    """Remove other trainings' seeds that are not in use until the store fits into its limit."""
    try:
        seeds = {path: path.stat().st_mtime for path in present.parent.glob("*/*") if path.is_dir()}
        sizes = {path: _size(path) for path in seeds}
    except OSError:  # another process is removing files; the next training tries again
        return
    for path in sorted(seeds, key=seeds.__getitem__):
        if path.parent == present or sum(sizes.values()) <= MAX_BYTES:
            continue
        try:
            with FileLock(path.with_name(f"{path.name}.lock"), timeout=0) as lock:
                shutil.rmtree(path, ignore_errors=True)
                Path(lock.lock_file).unlink()
            sizes.pop(path)
            path.parent.rmdir()  # unless it holds other seeds
        except (Timeout, OSError):
            continue


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)
