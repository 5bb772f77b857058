"""The last stage, which has no results: says what came out and where to look. Also `python -m pipeline.summary`.

It also follows stages whose results are the committed ones, as in a fresh clone: DVC then finds nothing that changed,
except that the file is missing which says that the results were summarized.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ddpg.files import replacing
from pipeline.errors import USER_ERRORS, report
from pipeline.provenance.digests import complete_stages, stage_digest
from pipeline.provenance.documents import lock_in, params_in
from pipeline.provenance.edits import edits_since, title
from pipeline.provenance.git import project_root, run_git
from pipeline.provenance.result import TABLES, Result
from pipeline.provenance.revision import WORKSPACE_REVISION, Revision
from pipeline.reports.comparison import Comparison
from pipeline.reports.formats import show_interval, show_number, show_percent
from pipeline.revisions.digests import digests_of
from pipeline.revisions.holders import tag_holders
from pipeline.revisions.retrieval import results_of
from pipeline.stages import LOCK, PARAMS, RESULTS, SUMMARIZED, TRAIN
from pipeline.tracking import RecordedRun, TrackingError, recorded_runs
from pipeline.tracking.faults import without_secrets
from pipeline.tracking.location import tracking_uri


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the summary.

    Returns:
        0; 1 if nothing was evaluated yet, or a file is invalid.
    """
    argparse.ArgumentParser(
        prog="python -m pipeline.summary",
        description="Say what the evaluation found, how it differs from HEAD's result, where to look and what to do.",
    ).parse_args(arguments)
    try:
        result = _present_result()
        lines = [*summarize(result.metrics), *difference(result), *places(result), *next_steps(result)]
    except USER_ERRORS as error:
        return report("summary", error, 1)
    print("", *lines, sep="\n")
    SUMMARIZED.parent.mkdir(exist_ok=True)
    with replacing(SUMMARIZED) as temporary:
        temporary.write_text("The results were summarized.\n", encoding="utf-8")
    return 0


def _present_result() -> Result:
    """The result in the working directory, which is a temporary one in a DVC experiment."""
    params, lock = (Path(name).read_text(encoding="utf-8") if Path(name).is_file() else "" for name in (PARAMS, LOCK))
    locked = lock_in(lock)
    stages = complete_stages(RESULTS, locked)
    return Result(WORKSPACE_REVISION, params=params_in(params, locked) if params else {}, stages=stages)


def summarize(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was found, from the contents of `results/evaluate/metrics.json`."""
    for name in ("best", "final"):
        of_policy = metrics[name]
        interval = show_interval(*(of_policy[f"return_iqm{end}"] for end in ("", "_low", "_high")))
        solved = (
            f", solved by {show_percent(of_policy['solved_share'])} of the seeds" if "solved_share" in of_policy else ""
        )
        yield (
            f"{name.capitalize()} policies: return {interval} (interquartile mean over seeds), "
            f"worst seed {show_number(of_policy['return_worst_seed'])}{solved}"
        )
    episode, steps = (metrics.get(f"{unit}_to_solve_median") for unit in ("episodes", "environment_steps"))
    if episode is not None and steps is not None:
        yield f"Median to solve: episode {episode:g}, {show_number(steps, 0)} environment steps"


def difference(result: Result) -> Iterator[str]:
    """Yield how a result differs from HEAD's, if that has one."""
    head = _head()
    if head is None or "evaluate" not in result.stages:
        return
    try:
        if "evaluate" not in digests_of(head):
            return
        with results_of(head, TABLES) as before:
            yield f"Against {head.name}:  {_compare(before, result)}"
    except USER_ERRORS as error:  # which is of HEAD's files
        yield f"Against {head.name}:  not compared: {error}"


def _compare(before: Result, result: Result) -> str:
    comparison = Comparison(before, result)
    if comparison.identical:
        return "the same scores"
    changed = title(edits_since(before.revision.commit, result.params)) or "other code"
    score = f", return {comparison.differences[0].show_change()}" if comparison.differences else ""
    return f"{changed}{score}. {comparison.verdict}"


def places(result: Result) -> Iterator[str]:
    """Yield the addresses of the films, the explorer and the MLflow run."""
    for film in (each for each in map(result.film, ("training", "rollout")) if each):
        yield f"Film:            {film.resolve().as_uri()}"
    if result.film("training"):
        yield f"                 of seed {result.median_seed}, the median"
    if explorer := result.picture("explorer.html"):
        yield f"Explorer:        {explorer.resolve().as_uri()}"
    run = _recorded(result)
    store = without_secrets(tracking_uri())
    yield f"MLflow:          {f'{run.name}: {run.link}' if run else store}"
    if not tracking_uri().startswith("http"):
        yield "                 once `make ui` serves it"


def next_steps(result: Result) -> Iterator[str]:
    """Yield the commands that keep and share a result, outside of DVC's experiments."""
    if "DVC_EXP_NAME" in os.environ:
        return
    root = project_root()
    if run_git(root, "status", "--porcelain", "--", "."):
        head = _head()
        what = (title(edits_since(head.commit, result.params)) if head else "") or "Renew the results"
        yield f"Next:            git add . && git commit --message {shlex.quote(what)}"
    if not _has_remote(root):
        yield "To share it:     name a remote, without which `dvc push` fails: dvc remote add --default NAME ADDRESS"


def _head() -> Revision | None:
    commit = run_git(project_root(), "rev-parse", "--verify", "--quiet", "HEAD")
    return Revision(commit[:7], commit, "commit") if commit else None


def _recorded(result: Result) -> RecordedRun | None:
    """The newest run that holds a result; the runs of committed results are tagged with their commits meanwhile."""
    digests = {stage: stage_digest(stage, RESULTS) for stage in result.stages}
    if TRAIN.name not in digests:
        return None
    try:
        runs = recorded_runs()
        if list(tag_holders(runs)):  # which also renames them
            runs = recorded_runs()
    except TrackingError as error:
        report("summary", f"MLflow's run is left out: {error}", 0)
        return None
    return next((run for run in runs if digests.items() <= run.digests.items()), None)


def _has_remote(root: Path) -> bool:
    from dvc.config import Config

    return bool(Config(str(root / ".dvc"), validate=False).get("core", {}).get("remote"))


if __name__ == "__main__":
    sys.exit(main())
