"""Trained seeds and the checkpoints of unfinished ones, kept outside DVC's outputs under all that determines them.

`.seeds/<training key>/<seed>/` holds `checkpoints/` while the seed trains. When it has finished, `trained-<digest>/`
with the seed's results and its `episodes.json` takes their place; the digest covers all of these files.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from pipeline.execution.inputs import inputs_of
from pipeline.params import Params
from pipeline.provenance.digests import content_digest
from pipeline.provenance.git import project_root

FOLDER = ".seeds"
MAX_BYTES = 2 * 2**30
"""Beyond this size, the seeds that were not used for longest are removed."""
_LOCK_SECONDS = 1.0
"""Removing old seeds holds a lock for an instant."""
_CHECKPOINTS, _TRAINED, _EPISODES = "checkpoints", "trained-", "episodes.json"


class SeedStore:
    """The stored seeds of one training, locked against other processes while the context is open.

    Args:
        params: The experiment's parameters.
    """

    def __init__(self, params: Params) -> None:
        self.seeds = params.seeds
        self.inputs = inputs_of(params)
        self.folder = project_root() / FOLDER / self.inputs.key()
        self._locks: dict[int, FileLock] = {}

    @property
    def key(self) -> str | None:
        """The training key; `None` if this process does not hold all of the training's seeds."""
        return self.folder.name if len(self._locks) == len(self.seeds) else None

    def __enter__(self) -> Self:
        """Lock the seeds; those that cannot be locked are trained without the store, with a warning."""
        problems: dict[str, list[str]] = {}
        deadline = time.monotonic() + _LOCK_SECONDS
        for seed in self.seeds:
            lock = FileLock(self.folder / f"{seed}.lock")
            try:
                lock.acquire(timeout=max(0.0, deadline - time.monotonic()))
                self._path(seed).mkdir(exist_ok=True)
                os.utime(self._path(seed))
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
        while self._locks:
            self._locks.popitem()[1].release()

    def directory(self, seed: int) -> Path | None:
        """The directory for a seed's checkpoints and results; `None` if the seed is not locked."""
        return self._path(seed) if seed in self._locks else None

    def restore(self, seed: int, target: Path) -> list[dict[str, Any]] | None:
        """Copy a trained seed's results, which need not be locked; see `restore`."""
        return restore(self._path(seed), target, is_locked=seed in self._locks)

    def _path(self, seed: int) -> Path:
        return self.folder / str(seed)


def checkpoint_directory(directory: Path) -> Path:
    """Return the folder for the checkpoints of the seed that is stored in this directory."""
    return directory / _CHECKPOINTS


def has_checkpoints(directory: Path | None) -> bool:
    """Return whether a seed's directory, if it has one, holds checkpoints."""
    return directory is not None and checkpoint_directory(directory).exists()


def restore(directory: Path, target: Path, *, is_locked: bool = True) -> list[dict[str, Any]] | None:
    """Copy a trained seed's results into a folder, in place of any earlier one.

    Args:
        directory: The seed's, see `SeedStore.directory`.
        target: The folder.
        is_locked: Whether no other process can change the directory. If so, damaged results are removed.

    Returns:
        The fields of each `EpisodeRecord`, or `None` if the seed has to be trained.
    """
    for trained in directory.glob(f"{_TRAINED}*"):
        shutil.rmtree(target, ignore_errors=True)
        try:
            shutil.copytree(trained, target)
            _require_intact(target, trained)
            episodes: list[dict[str, Any]] = json.loads((target / _EPISODES).read_text(encoding="utf-8"))
            (target / _EPISODES).unlink()
            return episodes
        except (OSError, ValueError) as error:
            shutil.rmtree(target, ignore_errors=True)
            problem = f"could not be copied ({error})"
        if is_locked:
            try:
                _require_intact(trained, trained)
            except ValueError:
                shutil.rmtree(trained, ignore_errors=True)
                problem = "are damaged"
            except OSError:  # perhaps only now
                pass
        _warn(f"seed {directory.name}: its stored results {problem}; it is trained again")
    return None


def _require_intact(files: Path, trained: Path) -> None:
    if content_digest(files) != trained.name.removeprefix(_TRAINED):
        raise ValueError("expected the files that were stored, found others")


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
    try:
        shutil.copytree(results, incomplete)
        (incomplete / _EPISODES).write_text(json.dumps(list(episodes)), encoding="utf-8")
        trained = directory / f"{_TRAINED}{content_digest(incomplete)}"
        shutil.rmtree(trained, ignore_errors=True)  # which could not be restored
        incomplete.rename(trained)
    finally:
        shutil.rmtree(incomplete, ignore_errors=True)
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
