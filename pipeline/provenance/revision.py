"""A revision of the project and the files that git tracks at it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from ddpg.files import DamagedFileError
from pipeline.errors import RevisionError
from pipeline.provenance.documents import lock_in, params_in
from pipeline.provenance.git import project_root, run_git
from pipeline.stages import LOCK, PARAMS

WORKSPACE = "workspace"


@dataclass(frozen=True)
class Revision:
    """A state of the project."""

    name: str
    """As the user gave it: `workspace`, `HEAD~1`, `main`, a DVC experiment's name, an MLflow run's id."""

    commit: str | None
    """Hash of the commit that holds it; `None` for the workspace, and for a run whose results no commit holds."""

    kind: Literal["workspace", "commit", "experiment", "run"]
    """What the name stands for; `workspace` also for a run whose results are in the workspace."""


WORKSPACE_REVISION = Revision(WORKSPACE, None, "workspace")


def text_of(revision: Revision, path: str) -> str | None:
    """Text of a file at a revision, such as a table; invalid UTF-8 becomes U+FFFD.

    Args:
        revision: A commit, where git must track the file, or the workspace.
        path: Relative to the project's folder.

    Returns:
        The text; `None` without such a file, and for a run whose results no commit holds.
    """
    if revision.commit:
        return run_git(project_root(), "cat-file", "blob", f"{revision.commit}:./{path}")
    file = project_root() / path
    if revision.kind != WORKSPACE or not file.is_file():
        return None
    return file.read_text(encoding="utf-8", errors="replace")


def lock_of(revision: Revision) -> Mapping[str, Any]:
    """Contents of a revision's dvc.lock; empty without one.

    Raises:
        RevisionError: The file is invalid.
    """
    with naming(revision):
        return lock_in(text_of(revision, LOCK) or "")


def params_of(revision: Revision) -> dict[str, Any]:
    """The parameters that made a revision's results, as plain values.

    Raises:
        RevisionError: Its params.yaml is missing or invalid.
    """
    text = text_of(revision, PARAMS)
    if text is None:
        raise RevisionError(f"{revision.name}: expected a file {PARAMS}, found none")
    lock = lock_of(revision)
    with naming(revision):
        return params_in(text, lock)


@contextmanager
def naming(revision: Revision) -> Iterator[None]:
    """Add the revision's name to errors about its files."""
    try:
        yield
    except DamagedFileError as error:
        raise RevisionError(f"{revision.name}: {error}") from None
