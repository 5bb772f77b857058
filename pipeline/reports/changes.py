"""What differs between two revisions beside their scores: parameters, code and packages."""

import re
from typing import Any, NamedTuple

from pipeline.provenance.git import project_root, run_git
from pipeline.provenance.result import Result
from pipeline.provenance.revisions import Revision, text_of
from pipeline.stages import flatten

_NO_CODE = ("results", "dvc.lock", "params.yaml", "requirements.lock")
_STAT_WIDTH = 96
_REQUIREMENT = re.compile(r"^([\w.-]+)==([^\s;\\]+)", re.MULTILINE)


class Change(NamedTuple):
    """A value that two revisions have differently."""

    name: str
    baseline: str
    candidate: str


class Changes(NamedTuple):
    """All that differs between two revisions."""

    parameters: list[Change]
    code: str
    """As `git diff --stat` shows it; empty where nothing differs."""
    packages: list[Change]


def changes_between(baseline: Result, candidate: Result) -> Changes:
    """What differs from the baseline in the candidate."""
    return Changes(
        parameters=_different(_texts(baseline.params), _texts(candidate.params)),
        code=code_changes(baseline.revision, candidate.revision),
        packages=_different(*(versions(_lock_of(each.revision)) for each in (baseline, candidate))),
    )


def _lock_of(revision: Revision) -> str | None:
    return None if _is_nowhere(revision) else text_of(revision, "requirements.lock")


def versions(lock: str | None) -> dict[str, str]:
    """The version of each package in a requirements file; several where they depend on the system.

    Args:
        lock: Its text; `None` if there is no such file.
    """
    found: dict[str, list[str]] = {}
    for name, version in _REQUIREMENT.findall(lock or ""):
        found.setdefault(name, []).append(version)
    return {name: " or ".join(several) for name, several in found.items()}


def code_changes(baseline: Revision, candidate: Revision) -> str:
    """`git diff --stat` of the code, with the names of files that git does not know; empty where nothing differs."""
    for each in (baseline, candidate):
        if _is_nowhere(each):
            return f" unknown: no commit holds the results of {each.name}"
    if baseline.commit == candidate.commit:
        return ""
    commits = [each.commit for each in (baseline, candidate) if each.commit]
    # Against one commit, git compares what is in the workspace: that is the candidate, unless it is turned around.
    backwards = ["-R"] if _is_workspace(baseline) else []
    options = ("--no-color", "--no-ext-diff", f"--stat={_STAT_WIDTH}")
    stat = run_git(project_root(), "diff", *options, *backwards, *commits, *_code()) or ""
    return "\n".join(filter(None, (stat, _untracked() if len(commits) == 1 else "")))


def _is_nowhere(revision: Revision) -> bool:
    return revision.commit is None and not _is_workspace(revision)


def _is_workspace(revision: Revision) -> bool:
    return revision.kind == "workspace"


def _untracked() -> str:
    """Names of files in the workspace that git does not know."""
    names = run_git(project_root(), "ls-files", "--others", "--exclude-standard", *_code()) or ""
    return "\n".join(f" untracked: {name}" for name in names.splitlines())


def _code() -> tuple[str, ...]:
    return ("--", ".", *(f":(exclude){name}" for name in _NO_CODE))


def _texts(params: dict[str, Any]) -> dict[str, str]:
    return {name: "null" if value is None else str(value) for name, value in flatten(params, ".")}


def _different(baseline: dict[str, str], candidate: dict[str, str]) -> list[Change]:
    names = dict.fromkeys([*baseline, *candidate])
    both = (Change(name, baseline.get(name, "none"), candidate.get(name, "none")) for name in names)
    return [change for change in both if change.baseline != change.candidate]
