"""What git knows of the project's code, and which DVC experiment this process runs in."""

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.errors import GitError
from pipeline.stages import LOCK, RESULTS

_SETTINGS = (
    "log.showSignature=false",  # signatures would be mixed with the output
    "core.quotePath=false",
    # Without the usual prefixes, `git apply` does not take a stored diff.
    "diff.noprefix=false",
    "diff.mnemonicPrefix=false",
    "diff.srcPrefix=a/",
    "diff.dstPrefix=b/",
    # It would be relative to the project's folder, which may be below the repository's.
    "diff.relative=false",
    # Git fails if the file of the user's setting does not exist.
    f"diff.orderFile={os.devnull}",
    "diff.submodule=short",
)
"""Instead of the user's own."""
_OF_ANOTHER_REPOSITORY = {
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"),
    *("GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS"),
}
"""Variables that change what a command is about, as git sets some of them in hooks."""
DIFF = ("diff", "--no-color", "--no-ext-diff", "--no-textconv")
"""Shows changes as they are, whatever drivers the user has for files of some kind."""
_DVC_VARIABLES = {
    "DVC_EXP_NAME": "dvc.experiment",
    "DVC_EXP_BASELINE_REV": "dvc.baseline",
}
# A running pipeline rewrites these (DVC deletes a stage's outputs before it starts): the code is unchanged.
_GENERATED = (RESULTS.as_posix(), LOCK)


def project_root() -> Path:
    """The project's folder; in a DVC experiment's temporary workspace, that of the original project."""
    return Path(os.environ.get("DVC_ROOT") or Path(__file__).resolve().parents[2])


def run_git(folder: Path, *arguments: str, text: str | None = None, may_fail: bool = True) -> str | None:
    """Output of a git command without the final newline; `None` if it has none or finds nothing.

    Args:
        folder: Working directory of the command.
        arguments: The command and its arguments.
        text: Its standard input.
        may_fail: Whether a failure means that nothing was found, unless git cannot read the repository at all.

    Raises:
        GitError: Git cannot read the repository that holds the folder, such as one of another user; or the command
            failed, and may not.
    """
    try:
        done = _run(folder, *arguments, text=text)
        if done.returncode != 0:
            _require_readable(folder)
            if not may_fail:
                raise GitError(f"git: {done.stderr.decode(errors='replace').strip()}")
    except FileNotFoundError:  # no git on this machine
        return None
    return done.stdout.decode(errors="replace").rstrip("\n") or None if done.returncode == 0 else None


def _require_readable(folder: Path) -> None:
    """Raises `GitError` if a command failed because of the repository, not of what it asked for."""
    probe = _run(folder, "rev-parse", "--git-dir")
    message = probe.stderr.decode(errors="replace").strip()
    if probe.returncode != 0 and "not a git repository" not in message:
        raise GitError(f"git: {message}")


def _run(folder: Path, *arguments: str, text: str | None = None) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        ["git", *itertools.chain(*(("-c", setting) for setting in _SETTINGS)), *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in _OF_ANOTHER_REPOSITORY} | {"LC_ALL": "C"},
        input=(text or "").encode(),
        capture_output=True,
        check=False,
    )


def blobs(folder: Path, commits: Sequence[str], name: str) -> dict[str, str]:
    """Git's objects of one file, by commit; commits without the file are left out.

    Args:
        folder: The file's folder.
        commits: Hashes.
        name: The file's name.
    """
    asked = "".join(f"{commit}:./{name}\n" for commit in commits)
    answers = run_git(folder, "cat-file", "--batch-check=%(objecttype) %(objectname)", text=asked)
    pairs = zip(commits, (answers or "").splitlines(), strict=False)
    return {commit: answer.split()[1] for commit, answer in pairs if answer.startswith("blob ")}


@dataclass(frozen=True)
class GitState:
    """The code that made a result; empty outside a git repository."""

    commit: str | None = None
    """Hash of HEAD; `None` before the first commit."""

    branch: str | None = None
    """The current branch; `None` for a detached HEAD."""

    remote: str | None = None
    """Address of `origin` without user name, password or query."""

    diff: str = ""
    """Changes since HEAD and names of untracked files, without generated files."""

    @property
    def dirty(self) -> bool:
        """Whether the code differs from the commit."""
        return bool(self.diff)


def git_state(folder: Path) -> GitState:
    """State of the git repository that holds a folder.

    Raises:
        GitError: Git cannot read it.
    """
    if run_git(folder, "rev-parse", "--is-inside-work-tree") != "true":
        return GitState()
    commit = run_git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    paths = ("--", ".", *(f":(exclude){name}" for name in _GENERATED))
    changes = run_git(folder, *DIFF, "--binary", "HEAD", *paths, may_fail=False) if commit else None
    untracked = run_git(folder, "ls-files", "--others", "--exclude-standard", *paths)
    names = [f"# untracked: {name}" for name in (untracked or "").splitlines()]
    return GitState(
        commit=commit,
        branch=run_git(folder, "symbolic-ref", "--short", "--quiet", "HEAD"),
        remote=remote_address(folder),
        # `git apply` skips the text before the first change.
        diff="".join(f"{part}\n" for part in [*names, changes] if part),
    )


def remote_address(folder: Path) -> str | None:
    """Address of a repository's `origin` without credentials."""
    return without_credentials(run_git(folder, "remote", "get-url", "origin") or "")


def without_credentials(address: str) -> str | None:
    """A remote's address without user name, password and query; `None` if it names no host."""
    if "://" not in address:
        scp_like = re.fullmatch(r"(?:[\w.-]+@)?([\w.-]+\.[\w.-]+:[^/].*)", address)
        return scp_like[1] if scp_like else None
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if host else None


def dvc_context() -> dict[str, str]:
    """Tags that name the DVC experiment this process runs in; empty outside of one."""
    return {tag: os.environ[variable] for variable, tag in _DVC_VARIABLES.items() if os.environ.get(variable)}


@dataclass(frozen=True)
class Origin:
    """Where a result comes from."""

    git: GitState
    """The code that made it."""

    experiment: dict[str, str]
    """Tags that name the DVC experiment, if any."""

    is_current: bool = True
    """Whether it is the project's current result, whose model becomes the newest."""

    base: str | None = None
    """The commit whose result it is compared with to name what changed; `None`: there is none."""

    software: Mapping[str, str] | None = None
    """Tags of the packages and the environment that computed it, see `provenance.software`; `None`: those here."""


def origin_of(folder: Path) -> Origin:
    """Origin of a result that is being made in a folder; without the code's state if git cannot read the repository."""
    try:
        state = git_state(folder)
    except GitError as error:
        print(f"warning: the result is recorded without its commit: {error}", file=sys.stderr)
        state = GitState()
    # A queued experiment runs in a folder of its own.
    is_current = folder.resolve() == project_root().resolve()
    return Origin(state, dvc_context(), is_current=is_current, base=state.commit)
