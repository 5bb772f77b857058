"""Record results in MLflow from their files: `python -m pipeline.sync [REV…] [--all-commits] [--experiments]`."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from tqdm import tqdm

from pipeline.errors import USER_ERRORS, RevisionError, report
from pipeline.params import Params, load
from pipeline.provenance.git import GitState, Origin, project_root, remote_address, run_git
from pipeline.provenance.revision import WORKSPACE, Revision
from pipeline.provenance.software import tags_of
from pipeline.revisions.digests import all_digests, digests_by_commit, digests_of
from pipeline.revisions.holders import tag_holders
from pipeline.revisions.names import commits, experiments, parent_of, resolve
from pipeline.revisions.retrieval import results_of
from pipeline.stages import EVALUATE, flatten
from pipeline.tracking import (
    RecordedRun,
    TrackingError,
    close_abandoned,
    record_missing,
    recorded_runs,
    without_model,
    without_seeds,
)
from pipeline.tracking.faults import PATIENT_REQUEST_SECONDS

_Results = dict[tuple[tuple[str, str], ...], Revision]


def main(arguments: Sequence[str] | None = None) -> int:
    """Complete the MLflow store for some revisions; print what was missing.

    Returns:
        0 if the store holds their results; 1 if some are missing or damaged, or the store cannot be reached; 2 if a
        name is not that of a revision.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.sync",
        description="Record in MLflow what it does not hold yet of the results of these revisions, from git and DVC's "
        "cache or remote: after training without a tracker, with a new store, with results that DVC brought from "
        "elsewhere, or after runs or models were deleted. The runs are tagged with the commits, branches and tags that "
        "hold their results. Runs of trainings that were killed here, in this folder on this machine, are closed. "
        "A second call finds nothing to do.",
        epilog="The store is MLFLOW_TRACKING_URI if set, else mlflow.db in the project's folder.",
    )
    parser.add_argument(
        "revisions", nargs="*", metavar="REV", help=f"a commit, branch, tag or DVC experiment, or {WORKSPACE} (default)"
    )
    parser.add_argument("--all-commits", action="store_true", help="every commit that a branch or tag reaches")
    parser.add_argument("--experiments", action="store_true", help="every DVC experiment")
    options = parser.parse_args(arguments)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(PATIENT_REQUEST_SECONDS))
    try:
        return _sync(_chosen(options.revisions, options.all_commits, options.experiments))
    except _UnknownError as error:
        return report("sync", error, 2)
    except (*USER_ERRORS, TrackingError) as error:
        return report("sync", error, 1)
    except KeyboardInterrupt:
        return report("sync", "interrupted; call it again to continue", 130)


class _UnknownError(Exception):
    """A name is not that of a revision."""


def _chosen(names: Sequence[str], all_commits: bool, all_experiments: bool) -> list[Revision]:
    """The revisions, oldest first: the newest becomes the newest run."""
    try:
        chosen = [resolve(name) for name in names]
    except RevisionError as error:
        raise _UnknownError(error) from None
    chosen += reversed(commits() if all_commits else [])
    chosen += reversed(experiments() if all_experiments else [])
    return chosen if names or all_commits or all_experiments else [resolve(WORKSPACE)]


def _sync(revisions: Sequence[Revision]) -> int:
    # A result is its content: revisions with the same one share it.
    results: _Results = {}
    for revision, digests in all_digests(revisions):
        if revision.kind == WORKSPACE and not digests:
            raise RevisionError(
                f"{WORKSPACE}: expected the results of at least the stage train, as dvc.lock describes them, "
                "found none; run `dvc repro` or `dvc checkout`"
            )
        if digests:
            results.setdefault(tuple(digests.items()), revision)
    runs = recorded_runs()
    missing = _missing(results, runs)
    recorded = False
    for revision in tqdm(missing, unit="result", disable=None, dynamic_ncols=True):
        try:
            recorded |= _record(revision)
        except (*USER_ERRORS, TrackingError) as error:
            with tqdm.external_write_mode(sys.stderr):
                report("sync", error, 1)
    closed = close_abandoned()
    for name in closed:
        print(f"run {name}: closed, its training or recording was killed")
    if missing:
        runs = recorded_runs()
        missing = _missing(results, runs)
    tagged = _tag(_holders(runs, [dict(content) for content in results]))
    if not (recorded or closed or tagged or missing):
        print(f"nothing was missing: {_count(revisions, 'revision')}, {_count(results, 'result')}")
    return int(bool(missing))


def _missing(results: _Results, runs: Sequence[RecordedRun]) -> list[Revision]:
    """The results of which no run holds everything: their digests, their seeds' runs and their model."""
    modelless = without_model([run.id for run in runs if EVALUATE.name in run.digests])
    complete = [run for run in runs if run.id not in modelless | without_seeds(runs)]
    return [revision for content, revision in results.items() if not _holders(complete, [dict(content)])]


def _holders(runs: Sequence[RecordedRun], contents: Sequence[Mapping[str, str]]) -> list[RecordedRun]:
    """The runs that hold one of these contents."""
    return [run for run in runs if any(content.items() <= run.digests.items() for content in contents)]


def _record(revision: Revision) -> bool:
    """Record what is missing of a revision; say whether anything was."""
    if revision.kind == WORKSPACE:
        load(project_root() / "params.yaml")
    with results_of(revision) as results:
        params = _as_stages_record(results.params)
        try:
            origin = _origin(revision, params["environment"]["id"])
            recorded = record_missing(params, results.folder / "results", results.stages, origin)
        except TrackingError as error:
            raise TrackingError(f"{revision.name}: {error}") from None
    for run in dict.fromkeys(run for _, run in recorded):
        stages = ", ".join(stage for stage, holder in recorded if holder == run)
        with tqdm.external_write_mode(sys.stdout):
            print(f"{revision.name}: {stages} recorded in run {run}", flush=True)
    return bool(recorded)


def _as_stages_record(params: dict[str, Any]) -> Mapping[str, Any]:
    """The parameters as the stages record them, if today's model accepts them: params.yaml may say 1 for 1.0."""
    try:
        validated = Params.model_validate(params).model_dump(mode="json")
    except ValidationError:
        return params
    return validated if _names(validated) == _names(params) else params


def _names(params: Mapping[str, Any]) -> set[str]:
    return {name for name, _ in flatten(params, ".")}


def _origin(revision: Revision, environment: str) -> Origin | None:
    if revision.commit is None:
        return None
    project = project_root()
    parent = parent_of(revision)
    experiment = {}
    if revision.kind == "experiment":
        experiment = {"dvc.experiment": revision.name, **({"dvc.baseline": str(parent.commit)} if parent else {})}
    head = run_git(project, "rev-parse", "--verify", "--quiet", "HEAD")
    present = digests_by_commit([Revision("HEAD", head, "commit")]).get(head) if head else None
    return Origin(
        git=GitState(commit=revision.commit, remote=remote_address(project)),
        experiment=experiment,
        is_current=digests_of(revision) == present,
        base=parent.commit if parent else None,
        software=tags_of(revision, environment),
    )


def _tag(runs: Sequence[RecordedRun]) -> bool:
    """Tag runs with the commits that hold their results; say whether any was changed."""
    tagged = list(tag_holders(runs))
    for run, holding, branches in tagged:
        print(f"run {run.name}: held by {_count(holding, 'commit')}, branches: {branches or 'none'}")
    return bool(tagged)


def _count(things: Sequence[Any] | Mapping[Any, Any], name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"


if __name__ == "__main__":
    sys.exit(main())
