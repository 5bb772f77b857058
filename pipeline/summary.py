"""Prints what the evaluation found, in a few lines: `python -m pipeline.summary`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.errors import USER_ERRORS, report
from pipeline.provenance.result import Result
from pipeline.reports.formats import show_interval, show_number, show_percent
from pipeline.stages import ANIMATE
from pipeline.tracking.faults import without_secrets
from pipeline.tracking.location import tracking_uri


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the summary.

    Returns:
        0; 1 if nothing was evaluated yet, or the file is invalid.
    """
    argparse.ArgumentParser(
        prog="python -m pipeline.summary", description="Say what the evaluation found, and where to look."
    ).parse_args(arguments)
    try:
        metrics = Result().metrics
    except USER_ERRORS as error:
        return report("summary", error, 1)
    print("", *summarize(metrics), sep="\n")
    return 0


def summarize(metrics: Mapping[str, Any]) -> list[str]:
    """The lines, from the contents of `results/evaluate/metrics.json`."""
    lines = []
    for name in ("best", "final"):
        of_policy = metrics[name]
        interval = show_interval(*(of_policy[f"return_iqm{end}"] for end in ("", "_low", "_high")))
        solved = (
            f", solved by {show_percent(of_policy['solved_share'])} of the seeds" if "solved_share" in of_policy else ""
        )
        lines.append(
            f"{name.capitalize()} policies: return {interval} (interquartile mean over seeds), "
            f"worst seed {show_number(of_policy['return_worst_seed'])}{solved}"
        )
    episode, steps = (metrics.get(f"{unit}_to_solve_median") for unit in ("episodes", "environment_steps"))
    if episode is not None and steps is not None:
        lines.append(f"Median to solve: episode {episode:g}, {show_number(steps, 0)} environment steps")
    return [
        *lines,
        f"Videos:          {ANIMATE.folder}/training.mp4 and rollout.mp4 (seed {metrics['median_seed']}, the median)",
        f"MLflow:          make ui ({without_secrets(tracking_uri())})",
    ]


if __name__ == "__main__":
    sys.exit(main())
