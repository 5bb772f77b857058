"""The project at an earlier commit, to be measured beside the present one."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import common

COMMIT = "e8ff93f"


@contextmanager
def checked_out(commit: str = COMMIT) -> Iterator[Path]:
    """Yields a folder with the files of a commit, which is removed afterwards."""
    git = ["git", "-C", str(common.ROOT), "worktree"]
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / commit
        subprocess.run([*git, "add", "--quiet", "--detach", str(folder), commit], check=True)
        try:
            yield folder
        finally:
            subprocess.run([*git, "remove", "--force", str(folder)], check=True)
