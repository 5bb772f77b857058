"""What differs between results, and whether it matters: `python -m pipeline.compare A [B...]`."""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import USER_ERRORS, report
from pipeline.provenance.result import TABLES, Result
from pipeline.provenance.retrieval import results_of
from pipeline.provenance.revision import WORKSPACE, Revision
from pipeline.provenance.revisions import resolve
from pipeline.reports.comparison import METRICS, Comparison, compare
from pipeline.reports.folder import PAGE, FolderError, require_replaceable
from pipeline.reports.text import lines

_RULE = """\
The first revision is the baseline of all others; alone, it is the workspace's. A revision is a commit, a branch, a tag,
a DVC experiment's name, an MLflow run's id or `workspace`.

A difference counts where its 95 % bootstrap interval over seeds excludes 0. Seeds are paired where both revisions have
the same ones, evaluated from the same start states. A seed that diverged or never solved the task counts as the worst.
The exit status is 0, or 1 after a regression that --fail-on-regression asks for, or 2 where an argument or a damaged
file is refused."""


class Tolerance(NamedTuple):
    """How much worse a metric may be."""

    metric: str
    amount: float
    """In the metric's unit."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what differs, and writes the report that was asked for.

    Returns:
        0; 1 where something is worse than tolerated; 2 where an argument or a damaged file is refused.
    """
    options = _parser().parse_args(arguments)
    names = options.revisions or ["HEAD"]
    try:
        if options.out is not None:
            require_replaceable(options.out)
        with ExitStack() as opened:
            results = [*_open(opened, names if len(names) > 1 else [*names, WORKSPACE], options.out is not None)]
            comparisons = [compare(results[0], other) for other in results[1:]]
            for comparison in comparisons:
                print(*lines(comparison), "", sep="\n")
            if options.out is not None:
                from pipeline.reports.comparison_report import (
                    write_report,  # draws with Matplotlib, which takes a second
                )

                write_report(options.out, results, comparisons)
                print(f"Report: {options.out / PAGE}")
    except (*USER_ERRORS, FolderError) as error:
        return report("compare", error, 2)
    regressions = [*_regressions(comparisons, options.fail_on_regression)]
    return 1 if any(regressions) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.compare",
        description="Say what differs between results in parameters, code, packages and scores, and whether the scores"
        "\ndiffer by more than chance.",
        epilog=_RULE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("revisions", nargs="*", metavar="REV", help="by default HEAD, and the workspace against it")
    parser.add_argument(
        "--fail-on-regression",
        nargs="?",
        action="append",
        default=[],
        const=Tolerance(METRICS[0].name, 0.0),
        type=tolerance,
        metavar="METRIC:TOLERANCE",
        help="exit with status 1 if the whole interval of a difference is worse than the tolerance, in the metric's "
        f"unit; by default {METRICS[0].name}:0; may be repeated. Metrics: {', '.join(each.name for each in METRICS)}",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write index.html, compare.md and compare.mp4 to this folder"
    )
    return parser


def tolerance(text: str) -> Tolerance:
    """The meaning of `METRIC:TOLERANCE`, or of `METRIC`, whose tolerance is 0.

    Raises:
        argparse.ArgumentTypeError: No such metric, or no finite number from 0 on.
    """
    name, _, amount = text.partition(":")
    metrics = [metric.name for metric in METRICS]
    if name not in metrics:
        raise argparse.ArgumentTypeError(f"expected METRIC:TOLERANCE, one of {', '.join(metrics)}, received {text!r}")
    try:
        number = float(amount or 0)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a tolerance of at least 0, received {text!r}")
    return Tolerance(name, number)


def _open(opened: ExitStack, names: Sequence[str], with_pictures: bool) -> Iterator[Result]:
    """The results of these revisions, which are all looked up before the first is read."""
    revisions: list[Revision] = [resolve(name) for name in names]
    for revision in revisions:
        yield opened.enter_context(results_of(revision, None if with_pictures else TABLES)).require("evaluate")


def _regressions(comparisons: Sequence[Comparison], tolerances: Sequence[Tolerance]) -> Iterator[bool]:
    """Whether each metric is worse than tolerated, said in words."""
    for comparison in comparisons:
        for name, amount in tolerances:
            found, words = _judge(comparison, name, amount)
            print(f"{'Regression' if found else 'No regression'} of {name} beyond {amount:g}: {words}.")
            yield found


def _judge(comparison: Comparison, name: str, amount: float) -> tuple[bool, str]:
    if not comparison.comparable:
        return False, "the scores cannot be compared"
    difference = next((each for each in comparison.differences if each.metric.name == name), None)
    if difference is None:
        return False, "not both revisions have it"
    if difference.is_regression(amount):
        return True, "the whole interval of the difference is worse"
    if difference.gain.low >= -amount:
        return False, "the whole interval of the difference is no worse"
    return False, "the interval of the difference does not exclude that it is no worse"


if __name__ == "__main__":
    sys.exit(main())
