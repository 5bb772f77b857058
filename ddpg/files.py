"""Atomic writes: a file is complete or absent."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class DamagedFileError(ValueError):
    """A file is corrupt or of another kind; the message names it, what was expected and what was received."""


def require_parent(path: Path) -> None:
    """Checks that a file can be written at a path, before the work that would be lost otherwise.

    Raises:
        OSError: Its folder is not writable, or cannot be created.
    """
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise NotADirectoryError(f"{path}: expected a path in a folder, but {folder} is a file")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{path}: expected a writable folder, received {folder}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` that replaces it if the block succeeds, and is removed if it fails.

    The suffix is the same. An `OSError` in the block that names no file, such as a full disk, is made to name `path`.
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
