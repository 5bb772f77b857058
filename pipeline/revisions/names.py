"""Names of revisions: commits, branches, tags, DVC experiments and MLflow runs."""

import re
from collections.abc import Sequence
from contextlib import closing
from typing import Literal

from pipeline.errors import RevisionError
from pipeline.provenance.git import blobs, project_root, run_git
from pipeline.provenance.revision import WORKSPACE, WORKSPACE_REVISION, Revision
from pipeline.revisions.digests import digests_by_commit, digests_of
from pipeline.stages import LOCK


def resolve(name: str) -> Revision:
    """The revision with this name.

    Args:
        name: `workspace`, any name of a commit that git knows, a DVC experiment, or the id of an MLflow run.

    Raises:
        RevisionError: No revision or several have this name, or it has no results.
    """
    revision = WORKSPACE_REVISION if name == WORKSPACE else _find(name)
    if revision.commit and not digests_of(revision):
        raise RevisionError(
            f"{name}: expected a revision with results, found none in the dvc.lock of {revision.commit[:10]}"
        )
    return revision


def commits(limit: int | None = None) -> list[Revision]:
    """Commits with a dvc.lock that HEAD, a branch or a tag reaches, newest first, named by their short hashes.

    Args:
        limit: Maximum number.
    """
    listed = run_git(project_root(), "log", "--date-order", "--format=%H %h", *_references(), "--")
    names = dict(line.split() for line in (listed or "").splitlines())
    locks = blobs(project_root(), list(names), LOCK)
    return [Revision(names[commit], commit, "commit") for commit in locks][:limit]


def experiments() -> list[Revision]:
    """DVC experiments with a dvc.lock, newest first."""
    # Most projects have none, and the import takes a second.
    if not run_git(project_root(), "for-each-ref", "--count=1", "refs/exps"):
        return []
    from dvc.repo.experiments.utils import exp_refs
    from dvc.scm import Git

    with closing(Git(project_root(), search_parent_directories=True)) as scm:
        names = {scm.get_ref(str(ref)): ref.name for ref in exp_refs(scm)}
    if not names:
        return []
    newest_first = run_git(project_root(), "rev-list", "--no-walk", "--date-order", *names) or ""
    locks = blobs(project_root(), newest_first.splitlines(), LOCK)
    return [Revision(names[commit], commit, "experiment") for commit in locks]


def parent_of(revision: Revision) -> Revision | None:
    """The commit that a revision is based on: HEAD for the workspace, the baseline for an experiment."""
    name = f"{revision.commit}^" if revision.commit else "HEAD"
    commit = run_git(project_root(), "rev-parse", "--verify", "--quiet", name)
    return Revision(commit[:7], commit, "commit") if commit else None


def references(relation: Literal["--contains", "--points-at"], holding: Sequence[str], *below: str) -> list[str]:
    """Branches and tags that contain one of these commits, or point at it.

    Args:
        relation: Which of the two.
        holding: Hashes of the commits.
        below: Kinds of references such as `refs/heads`; by default branches and tags.
    """
    if not holding:
        return []
    options = [f"{relation}={commit}" for commit in holding]
    kinds = below or ("refs/heads", "refs/tags", "refs/remotes")
    listed = run_git(project_root(), "for-each-ref", "--format=%(refname:short) %(symref)", *options, *kinds) or ""
    # origin/HEAD only repeats a branch.
    return [name for name, _, target in (line.partition(" ") for line in listed.splitlines()) if not target]


def _find(name: str) -> Revision:
    commit = run_git(project_root(), "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if commit:
        return Revision(name, commit, "commit")
    found = [experiment for experiment in experiments() if experiment.name == name]
    if len(found) > 1:
        listed = ", ".join(str(experiment.commit)[:10] for experiment in found)
        raise RevisionError(f"{name}: expected one DVC experiment, found {len(found)}; name a commit: {listed}")
    if found:
        return found[0]
    if re.fullmatch("[0-9a-f]{32}", name):
        return _find_run(name)
    raise RevisionError(
        f"{name}: expected {WORKSPACE!r} or the name of a commit, branch, tag, DVC experiment or MLflow run, found none"
    )


def _find_run(run: str) -> Revision:
    """Locates a run's results: the newest commit or experiment that holds them, else the workspace, else MLflow."""
    recorded = digests_of(Revision(run, None, "run"))
    if not recorded:
        raise RevisionError(f"{run}: expected a run with results, found none recorded in it")
    for commit, digests in digests_by_commit([*commits(), *experiments()]).items():
        if recorded.items() <= digests.items():
            return Revision(run, commit, "run")
    here = recorded.items() <= digests_of(WORKSPACE_REVISION).items()
    return Revision(run, None, "workspace" if here else "run")


def _references() -> tuple[str, ...]:
    head = run_git(project_root(), "rev-parse", "--verify", "--quiet", "HEAD")
    return ("--branches", "--tags", "--remotes", *([head] if head else []))
