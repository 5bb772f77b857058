"""Tags of MLflow runs that name the commits which hold their results, their branches and their tags."""

from collections.abc import Iterator, Sequence

from pipeline.revisions.digests import digests_by_commit
from pipeline.revisions.names import commits, experiments, references
from pipeline.tracking import RecordedRun, tag

_LONGEST_TAG = 8000  # MLflow's limit


def tag_holders(runs: Sequence[RecordedRun]) -> Iterator[tuple[RecordedRun, list[str], str]]:
    """Tag runs; yield each whose tags changed, with the commits that hold its result and the names of their branches.

    Raises:
        TrackingError: The store could not be written.
    """
    own = {each.commit for each in commits()} if runs else set()
    of_commits = digests_by_commit([*commits(), *experiments()]) if runs else {}
    for run in runs:
        holding = [name for name, digests in of_commits.items() if digests and digests.items() <= run.digests.items()]
        branches = _joined(references("--contains", holding, "refs/heads", "refs/remotes"))
        tags = {
            "git.commits": _joined(holding),
            "git.branches": branches,
            "git.tags": _joined(references("--points-at", holding, "refs/tags")),
        }
        first = next((name for name in reversed(holding) if name in own), None)
        if tag(run, tags, first):
            yield run, holding, branches


def _joined(names: Sequence[str]) -> str:
    """The names, or as many of the first as MLflow takes."""
    text = ", ".join(names)
    return text if len(text) <= _LONGEST_TAG else text[:_LONGEST_TAG].rpartition(", ")[0]
