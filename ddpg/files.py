"""Files that are whole or not there."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class DamagedFileError(ValueError):
    """A file does not hold what it should: the message names it, what was expected and what received."""


def require_parent(path: Path) -> None:
    """Refuses a path whose folder can be neither made nor written, before the work that would be lost.

    Raises:
        OSError: It can not.
    """
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise NotADirectoryError(f"{path}: expected a path in a folder, but {folder} is a file")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{path}: expected a folder that may be written, received {folder}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block succeeds and vanishes when it fails.

    Its suffix is the same. An `OSError` of the block, such as of a full disk, names `path` if it names no file.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.filename not in (None, str(temporary)):
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
