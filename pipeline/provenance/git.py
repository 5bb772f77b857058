"""The state of the code: what git says of the project, and in which DVC experiment it runs."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_DVC_VARIABLES = {
    "DVC_EXP_NAME": "dvc.experiment",
    "DVC_EXP_BASELINE_REV": "dvc.baseline",
}
# What a running pipeline rewrites: DVC even deletes a stage's outputs before it starts. No sign of changed code.
_GENERATED = ("results", "dvc.lock")


def project_root() -> Path:
    """The project's folder; in a DVC experiment's temporary workspace, the folder of the real project."""
    return Path(os.environ.get("DVC_ROOT") or Path(__file__).resolve().parents[2])


def run_git(folder: Path, *arguments: str, text: str | None = None) -> str | None:
    """What a git command prints in a folder, without the last line's end; `None` if it fails or prints nothing.

    Args:
        folder: Where it runs.
        arguments: The command and its arguments.
        text: What it reads from its standard input.
    """
    try:
        done = subprocess.run(
            # Signatures would stand among what is asked for.
            ["git", "-c", "log.showSignature=false", *arguments],
            cwd=folder,
            input=(text or "").encode(),
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:  # no git on this machine
        return None
    return done.stdout.decode(errors="replace").rstrip("\n") or None if done.returncode == 0 else None


@dataclass(frozen=True)
class GitState:
    """The code a result was made with; all empty outside a git repository."""

    commit: str | None = None
    """Hash of HEAD, `None` before the first commit."""

    branch: str | None = None
    """The branch checked out, `None` for a detached HEAD."""

    remote: str | None = None
    """Address of `origin` without user name, password or query."""

    diff: str = ""
    """What differs from HEAD, with the names of untracked files; generated files left out."""

    @property
    def dirty(self) -> bool:
        """Whether anything differs from the commit."""
        return bool(self.diff)


def git_state(folder: Path) -> GitState:
    """Describe the git repository that holds a folder."""
    if run_git(folder, "rev-parse", "--is-inside-work-tree") != "true":
        return GitState()
    commit = run_git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    paths = ("--", ".", *(f":(exclude){name}" for name in _GENERATED))
    changes = run_git(folder, "diff", "--binary", "--no-color", "--no-ext-diff", "HEAD", *paths) if commit else None
    untracked = run_git(folder, "ls-files", "--others", "--exclude-standard", *paths)
    names = [f"# untracked: {name}" for name in (untracked or "").splitlines()]
    return GitState(
        commit=commit,
        branch=run_git(folder, "symbolic-ref", "--short", "--quiet", "HEAD"),
        remote=remote_address(folder),
        # git apply skips what stands before the first change.
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
    """Tags that say in which DVC experiment this process runs."""
    return {tag: os.environ[variable] for variable, tag in _DVC_VARIABLES.items() if os.environ.get(variable)}


@dataclass(frozen=True)
class Origin:
    """Where a result comes from."""

    git: GitState
    """The code that made it."""

    experiment: dict[str, str]
    """Tags that name the DVC experiment, if it is one."""

    is_current: bool = True
    """Whether this is the project's present result, whose model is the newest."""


def origin_of(folder: Path) -> Origin:
    """The origin of a result that is made in a folder now."""
    return Origin(git_state(folder), dvc_context())
