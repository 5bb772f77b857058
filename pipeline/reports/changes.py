"""What differs between two revisions besides their scores: parameters, code and packages."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.provenance.git import DIFF, project_root, run_git
from pipeline.provenance.result import Result
from pipeline.provenance.revision import Revision
from pipeline.provenance.software import ENVIRONMENTS, PACKAGES, dependencies_of, packages_of
from pipeline.reports.formats import MISSING, show_value
from pipeline.stages import flatten

_NOT_CODE = ("results", "dvc.lock", "params.yaml", PACKAGES)
_STAT_WIDTH = 96
_SHORT_DIGEST = 10


class Change(NamedTuple):
    """A value that differs, as text; a dash where it is absent."""

    name: str
    baseline: str
    candidate: str


class Changes(NamedTuple):
    """All that differs between two revisions."""

    parameters: list[Change]
    environments: list[Change]
    """Digests of the project's own environments, where they differ."""
    code: str
    """Output of `git diff --stat`; empty if the code is the same."""
    packages: list[Change]


def changes_between(baseline: Result, candidate: Result) -> Changes:
    """The changes from the baseline to the candidate."""
    params = ({name: show_value(value) for name, value in flatten(each.params, ".")} for each in (baseline, candidate))
    revisions = baseline.revision, candidate.revision
    packages, own = ([read(each) for each in revisions] for read in (packages_of, _environments))
    return Changes(
        _as_texts(*params),
        _as_texts_if_known(f"{ENVIRONMENTS}/", *own),
        code_changes(*revisions),
        _as_texts_if_known(PACKAGES, *packages),
    )


def changed_values(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The values that differ, by name, as (old, new); `None` where one is absent."""
    pairs = {name: (old.get(name), new.get(name)) for name in dict.fromkeys([*old, *new])}
    return {name: (before, after) for name, (before, after) in pairs.items() if before != after}


def code_changes(baseline: Revision, candidate: Revision) -> str:
    """`git diff --stat` of the code, with the names of untracked files; empty if the code is the same."""
    for each in (baseline, candidate):
        if _is_without_commit(each):
            return f" unknown: no commit holds the results of {each.name}"
    if baseline.commit == candidate.commit:
        return ""
    commits = [each.commit for each in (baseline, candidate) if each.commit]
    # With one commit, git compares it with the workspace, which -R makes the baseline.
    backwards = [] if baseline.commit else ["-R"]
    stat = _git(*DIFF, f"--stat={_STAT_WIDTH}", *backwards, *commits)
    untracked = _git("ls-files", "--others", "--exclude-standard").splitlines() if len(commits) == 1 else []
    return "\n".join(filter(None, (stat, *(f" untracked: {name}" for name in untracked))))


def _environments(revision: Revision) -> dict[str, str]:
    md5 = dependencies_of(revision).get(ENVIRONMENTS)
    return {f"{ENVIRONMENTS}/": md5[:_SHORT_DIGEST]} if md5 else {}


def _is_without_commit(revision: Revision) -> bool:
    return revision.commit is None and revision.kind != "workspace"


def _git(*arguments: str) -> str:
    """Output of a git command on the code."""
    excluded = (f":(exclude){name}" for name in _NOT_CODE)
    return run_git(project_root(), *arguments, "--", ".", *excluded) or ""


def _as_texts_if_known(source: str, baseline: Mapping[str, str], candidate: Mapping[str, str]) -> list[Change]:
    """As `_as_texts`, but where nothing is known of one, only that, by the name of the source."""
    if bool(baseline) == bool(candidate):
        return _as_texts(baseline, candidate)
    return [Change(source, *("known" if each else "unknown" for each in (baseline, candidate)))]


def _as_texts(baseline: Mapping[str, str], candidate: Mapping[str, str]) -> list[Change]:
    changed = changed_values(baseline, candidate)
    return [Change(name, old or MISSING, new or MISSING) for name, (old, new) in changed.items()]
