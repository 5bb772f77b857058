"""What the evaluation found, in a few lines: `python -m pipeline.summary`."""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline import results
from pipeline.errors import USER_ERRORS, report
from pipeline.provenance.result import Result
from pipeline.tracking.faults import without_secrets
from pipeline.tracking.location import tracking_uri


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the summary.

    Returns:
        0, or 1 where nothing was evaluated yet, or the file is damaged.
    """
    argparse.ArgumentParser(
        prog="python -m pipeline.summary", description="Say what the evaluation found, and where to look."
    ).parse_args(arguments)
    try:
        metrics = Result().metrics
    except USER_ERRORS as error:
        return report("summary", error, 1)
    print("\n".join(summarize(metrics)))
    return 0


def summarize(metrics: Mapping[str, Any]) -> list[str]:
    """The lines, from the contents of `results/evaluate/metrics.json`."""
    lines = [""]
    for name in ("best", "final"):
        of_policy = {key: math.nan if value is None else value for key, value in metrics[name].items()}
        solved = f", solved by {of_policy['solved_share']:.0%} of the seeds" if "solved_share" in of_policy else ""
        lines.append(
            f"{name.capitalize()} policies: return {of_policy['return_iqm']:.2f} "
            f"[{of_policy['return_iqm_low']:.2f}, {of_policy['return_iqm_high']:.2f}] (interquartile mean over seeds), "
            f"worst seed {of_policy['return_worst_seed']:.2f}{solved}"
        )
    episode, steps = (metrics.get(f"{unit}_to_solve_median") for unit in ("episodes", "environment_steps"))
    if None not in (episode, steps):
        lines.append(f"Median to solve: episode {episode:g}, {steps:,.0f} environment steps")
    return [
        *lines,
        f"Videos:          {results.ANIMATE}/training.mp4 and rollout.mp4 (seed {metrics['median_seed']}, the median)",
        f"MLflow:          make ui ({without_secrets(tracking_uri())})",
    ]


if __name__ == "__main__":
    sys.exit(main())
