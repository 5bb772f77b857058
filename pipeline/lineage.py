"""What a result is made of: digests of its files and parameters, the state of git, and what DVC says of the run."""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

STAGES = ("train", "evaluate", "animate")
WITHOUT_EFFECT = ("workers", "checkpoint_every")
"""Parameters of the train stage on which no result depends."""
_REQUIRED = {
    "train": ("episodes.csv", "metrics.json"),
    "evaluate": ("episodes.csv", "metrics.json"),
    "animate": ("training.mp4", "training.gif", "rollout.mp4", "poster.png", "learning_curves.png"),
}
_DVC_VARIABLES = {
    "DVC_EXP_NAME": "dvc.experiment",
    "DVC_EXP_BASELINE_REV": "dvc.baseline",
}
# What a running pipeline rewrites: DVC even deletes a stage's outputs before it starts. No sign of changed code.
_GENERATED = ("results", "dvc.lock")


def project_root() -> Path:
    """The project's folder; in a DVC experiment's temporary workspace, the folder of the real project."""
    return Path(os.environ.get("DVC_ROOT") or Path(__file__).resolve().parents[1])


def content_digest(path: Path) -> str:
    """A file's or a folder's hash as DVC computes it and dvc.lock holds it."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, _md5).hexdigest()
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    listing = [{"md5": content_digest(files[name]), "relpath": name} for name in sorted(files)]
    return f"{_md5(json.dumps(listing).encode()).hexdigest()}.dir"


def stage_digest(stage: str, results: Path) -> str:
    """SHA-256 of everything a stage wrote, by the hashes of its outputs; hidden files do not count.

    Args:
        stage: `train`, `evaluate` or `animate`.
        results: The folder of result files.

    Raises:
        FileNotFoundError: The stage has no folder there.
    """
    folder = results / stage
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of results, found none")
    outputs = (path for path in folder.iterdir() if not path.name.startswith("."))
    return _digest_of_outputs({path.name: content_digest(path) for path in outputs})


def locked_digests(lock: Mapping[str, Any]) -> dict[str, str]:
    """What `stage_digest` gives for the files that dvc.lock describes, so that no file is needed.

    Args:
        lock: Contents of dvc.lock.

    Returns:
        A digest by stage, in their order, up to the first stage that is absent or was not made from the outputs of
        the stages before it.
    """
    digests: dict[str, str] = {}
    produced: dict[str, str | None] = {}
    for stage in STAGES:
        entry = lock.get("stages", {}).get(stage, {})
        read, written = _hashes(entry, "deps"), _hashes(entry, "outs")
        if not written or any(read[path] != produced[path] for path in read.keys() & produced.keys()):
            break
        digests[stage] = _digest_of_outputs(
            {path.removeprefix(f"results/{stage}/"): value for path, value in written.items()}
        )
        produced |= written
    return digests


def _md5(data: bytes = b"") -> Any:
    return hashlib.md5(data, usedforsecurity=False)


def _hashes(entry: Mapping[str, Any], kind: str) -> dict[str, str | None]:
    return {item["path"]: item.get("md5") for item in entry.get(kind, [])}


def _digest_of_outputs(hashes: Mapping[str, str | None]) -> str:
    return hashlib.sha256("".join(f"{hashes[name]} {name}\0" for name in sorted(hashes)).encode()).hexdigest()


def config_hash(params: Mapping[str, Any]) -> str:
    """Short hash of the parameters that determine learning; equal for runs that differ in their seeds only."""
    train = {name: value for name, value in params.get("train", {}).items() if name not in WITHOUT_EFFECT}
    learning = {"environment": params["environment"], "agent": params.get("agent"), "train": train}
    return hashlib.sha256(json.dumps(learning, sort_keys=True).encode()).hexdigest()[:12]


def complete_stages(results: Path, lock: Mapping[str, Any]) -> tuple[str, ...]:
    """The stages whose files are those that dvc.lock describes, each made from the upstream files beside it.

    Args:
        results: The folder of result files.
        lock: Contents of dvc.lock; the files of a stage that it does not name are taken as they are.
    """
    locked = locked_digests(lock)
    stages: list[str] = []
    for stage in STAGES:
        if stage in lock.get("stages", {}):
            complete = (results / stage).is_dir() and stage_digest(stage, results) == locked.get(stage)
        else:
            complete = all((results / stage / name).is_file() for name in _REQUIRED[stage])
        if not complete:
            break
        stages.append(stage)
    return tuple(stages)


def params_of_results(params: Mapping[str, Any], lock: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that made the results: those of dvc.lock, where it has them, over those of params.yaml."""
    merged: dict[str, Any] = json.loads(json.dumps(params))
    for stage in STAGES:
        for path, value in lock.get("stages", {}).get(stage, {}).get("params", {}).get("params.yaml", {}).items():
            *sections, name = path.split(".")
            section = merged
            for part in sections:
                if not isinstance(section.get(part), dict):
                    section[part] = {}
                section = section[part]
            section[name] = value
    return merged


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
