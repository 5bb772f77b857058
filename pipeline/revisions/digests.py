"""Digests of revisions' results, read from dvc.lock, the workspace's files or MLflow without copying any result."""

from collections.abc import Iterable, Sequence

from ddpg.files import DamagedFileError
from pipeline import tracking
from pipeline.errors import RevisionError
from pipeline.provenance.digests import complete_stages, locked_digests, stage_digest
from pipeline.provenance.documents import lock_in
from pipeline.provenance.git import blobs, project_root, run_git
from pipeline.provenance.revision import WORKSPACE, Revision, lock_of
from pipeline.stages import LOCK, RESULTS
from pipeline.tracking import TrackingError


def digests_of(revision: Revision) -> dict[str, str]:
    """Digests of a revision's results, by complete stage.

    Raises:
        RevisionError: Its dvc.lock is invalid, or MLflow has no such run.
    """
    if revision.commit:
        return locked_digests(lock_of(revision))
    if revision.kind == WORKSPACE:
        results = project_root() / RESULTS
        return {stage: stage_digest(stage, results) for stage in complete_stages(results, lock_of(revision))}
    try:
        return tracking.digests_of(revision.name)
    except TrackingError as error:
        raise RevisionError(f"{revision.name}: expected an MLflow run, found none: {error}") from None


def all_digests(revisions: Sequence[Revision]) -> list[tuple[Revision, dict[str, str]]]:
    """Each revision with its digests, as `digests_of` returns them; none for a commit with an invalid dvc.lock."""
    of_commits = digests_by_commit(revisions)
    return [(each, of_commits.get(each.commit, {}) if each.commit else digests_of(each)) for each in revisions]


def digests_by_commit(revisions: Iterable[Revision]) -> dict[str, dict[str, str]]:
    """What `locked_digests` returns for each commit's dvc.lock, in the order of the revisions.

    A commit with an invalid dvc.lock, such as one in the middle of a merge, has no digests.
    """
    objects = blobs(project_root(), [revision.commit for revision in revisions if revision.commit], LOCK)
    # Many commits share a lock.
    digests = {name: _digests_of_object(name) for name in dict.fromkeys(objects.values())}
    return {commit: digests[name] for commit, name in objects.items()}


def _digests_of_object(name: str) -> dict[str, str]:
    try:
        return locked_digests(lock_in(run_git(project_root(), "cat-file", "blob", name) or ""))
    except DamagedFileError:
        return {}
