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


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """SHA-256 of a folder's relative file names and contents; DVC's `.gitignore` files do not count."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of results, found none")
    files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    digest = hashlib.sha256()
    for name in sorted(files):
        if files[name].name != ".gitignore":
            digest.update(f"{file_digest(files[name])} {name}\0".encode())
    return digest.hexdigest()


def stage_digest(stage: str, results: Path) -> str:
    """SHA-256 of everything a stage wrote."""
    return folder_digest(results / stage)


def config_hash(params: Mapping[str, Any]) -> str:
    """Short hash of the parameters that determine learning; equal for runs that differ in their seeds only."""
    train = {name: value for name, value in params["train"].items() if name != "workers"}
    learning = {"environment": params["environment"], "agent": params["agent"], "train": train}
    return hashlib.sha256(json.dumps(learning, sort_keys=True).encode()).hexdigest()[:12]


def complete_stages(results: Path, lock: Mapping[str, Any]) -> tuple[str, ...]:
    """The stages whose result files are all there and, by dvc.lock, made from the upstream files beside them.

    Args:
        results: The folder of result files.
        lock: Contents of dvc.lock; empty if there is none, and then the files are taken as they are.
    """
    stages: list[str] = []
    entries = lock.get("stages", {})
    produced: dict[str, str | None] = {}
    for stage in STAGES:
        there = all((results / stage / name).is_file() for name in _REQUIRED[stage])
        read = {item["path"]: item.get("md5") for item in entries.get(stage, {}).get("deps", [])}
        if not there or any(read[path] != produced[path] for path in read.keys() & produced.keys()):
            break
        stages.append(stage)
        produced |= {item["path"]: item.get("md5") for item in entries.get(stage, {}).get("outs", [])}
    return tuple(stages)


def params_of_results(params: Mapping[str, Any], lock: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that made the results: those of dvc.lock, where it has them, over those of params.yaml."""
    merged: dict[str, Any] = json.loads(json.dumps(params))
    for stage in STAGES:
        for path, value in lock.get("stages", {}).get(stage, {}).get("params", {}).get("params.yaml", {}).items():
            *sections, name = path.split(".")
            section = merged
            for part in sections:
                section = section.setdefault(part, {})
            section[name] = value
    return merged


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
    if _git(folder, "rev-parse", "--is-inside-work-tree") != "true":
        return GitState()
    commit = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    paths = ("--", ".", *(f":(exclude){name}" for name in _GENERATED))
    changes = _git(folder, "diff", "--binary", "--no-color", "--no-ext-diff", "HEAD", *paths) if commit else None
    untracked = _git(folder, "ls-files", "--others", "--exclude-standard", *paths)
    names = [f"# untracked: {name}" for name in (untracked or "").splitlines()]
    return GitState(
        commit=commit,
        branch=_git(folder, "symbolic-ref", "--short", "--quiet", "HEAD"),
        remote=without_credentials(_git(folder, "remote", "get-url", "origin") or ""),
        # git apply skips what stands before the first change.
        diff="".join(f"{part}\n" for part in [*names, changes] if part),
    )


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


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)
    except FileNotFoundError:  # no git on this machine
        return None
    return done.stdout.decode(errors="replace").rstrip("\n") or None if done.returncode == 0 else None
