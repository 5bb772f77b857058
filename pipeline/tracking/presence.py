"""Whether the process that works on a run still does: it holds a lock file, which the system releases if it dies."""

import hashlib
import platform
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from pipeline.provenance.git import project_root

_PREFIX, _SUFFIX = "mlflow.db.", ".lock"


@contextmanager
def working() -> Iterator[str]:
    """Yield a new name, which counts as working until the context ends; runs are tagged with it.

    The file stays if the work fails, since it may leave runs open; see `gone`.

    Raises:
        OSError: The project's folder cannot be written.
    """
    name = f"{_place()}-{uuid.uuid4().hex}"
    with FileLock(_file(name)):
        yield name
    _file(name).unlink(missing_ok=True)


def is_working(name: str) -> bool | None:
    """Return whether the process of this name still works; `None` if this project does not know it."""
    if not re.fullmatch(rf"{re.escape(_place())}-[0-9a-f]+", name) or not _file(name).exists():
        return None
    try:
        with FileLock(_file(name), timeout=0):
            return False
    except OSError:  # also `Timeout`
        return True


def gone() -> list[str]:
    """Return the names of this project whose work died or failed, until `forget`."""
    files = project_root().glob(f"{_PREFIX}{_place()}-*{_SUFFIX}")
    names = [file.name.removeprefix(_PREFIX).removesuffix(_SUFFIX) for file in files]
    return [name for name in names if is_working(name) is False]


def forget(name: str) -> None:
    """Remove a name that is gone."""
    _file(name).unlink(missing_ok=True)


def _file(name: str) -> Path:
    return project_root() / f"{_PREFIX}{name}{_SUFFIX}"


def _place() -> str:
    """This machine and the project's folder on it: a copy of the folder would have copies of the files."""
    folder = hashlib.sha256(str(project_root().resolve()).encode()).hexdigest()[:8]
    return f"{platform.node()}-{folder}"
