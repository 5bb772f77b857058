"""The folder of a report: nobody else's files are ever replaced, and nothing is half-written."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ddpg.files import require_parent

PAGE, TEXT, FILM, VIDEOS = "index.html", "compare.md", "compare.mp4", "videos"
_MARKER = ".comparison"
_OWN = {PAGE, TEXT, FILM, VIDEOS, _MARKER}


class FolderError(Exception):
    """A folder holds something else than a report."""


def require_replaceable(folder: Path) -> None:
    """Refuses a folder that holds anything but a former report.

    Raises:
        FolderError: It does, or it is no folder.
        OSError: It can be neither made nor written.
    """
    require_parent(folder)
    if folder.is_dir():
        found = {path.name for path in folder.iterdir()}
        others = found - _OWN if _MARKER in found else found
        if others:
            listed = ", ".join(sorted(others)[:5])
            raise FolderError(f"{folder}: expected a folder that is empty or a former report, found {listed} in it")
    elif folder.exists() or folder.is_symlink():
        raise FolderError(f"{folder}: expected a folder, received a file")


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A new folder that takes the place of an empty one or a former report when the block succeeds.

    Raises:
        FolderError: The folder holds something else.
    """
    require_replaceable(folder)
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    written = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    former = written.with_name(f"{written.name}.former")
    written.mkdir()
    try:
        (written / _MARKER).touch()
        yield written
        if folder.exists():
            folder.rename(former)
        written.rename(folder)
        shutil.rmtree(former, ignore_errors=True)
    finally:
        shutil.rmtree(written, ignore_errors=True)
