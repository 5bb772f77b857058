"""Says what differs between results, and whether it matters: `python -m pipeline.compare A [B...]`."""

import argparse
import math
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from pipeline.errors import USER_ERRORS, report
from pipeline.provenance.result import TABLES, Result
from pipeline.provenance.revision import WORKSPACE, Revision
from pipeline.reports.comparison import Comparison
from pipeline.reports.comparison_folder import PAGE, require_replaceable, write_report
from pipeline.reports.comparison_text import lines_of
from pipeline.reports.metrics import METRICS
from pipeline.revisions.names import resolve
from pipeline.revisions.retrieval import results_of, results_or_tables_of

_NAMES = ", ".join(metric.name for metric in METRICS)
_RULES = """\
The first revision is the baseline of all others; if it is the only one, the workspace is compared with it. A revision
is a commit, a branch, a tag, a DVC experiment's name, an MLflow run's id or `workspace`.

A difference counts if its 95% interval over seeds excludes 0. It is of pairs if both revisions have the same seeds,
evaluated from the same start states, and their scores correlate beyond chance: without correlation, pairing loses
power. A seed that diverged or never solved the task counts as the worst.
The exit status is 0; 1 after a regression that --fail-on-regression asks for; 2 for an invalid argument or file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what differs, and writes the report if one was asked for.

    Returns:
        0; 1 if something is worse than tolerated; 2 for an invalid argument or file.
    """
    options = _parser().parse_args(arguments)
    names = options.revisions or ["HEAD"]
    names += [WORKSPACE] * (len(names) == 1)
    try:
        if options.out is not None:
            require_replaceable(options.out)
        revisions = [resolve(name) for name in names]
        with ExitStack() as stack:
            results = [stack.enter_context(_opened(each, options.out)).require("evaluate") for each in revisions]
            comparisons = [Comparison(results[0], other) for other in results[1:]]
            for comparison in comparisons:
                print(*lines_of(comparison), "", sep="\n")
            if options.out is not None:
                write_report(options.out, results, comparisons)
                print(f"Report: {options.out / PAGE}")
    except USER_ERRORS as error:
        return report("compare", error, 2)
    status = 0
    for comparison in comparisons:
        for metric, amount in options.fail_on_regression:
            is_regression, why = comparison.check_regression(metric, amount)
            print(f"{'Regression' if is_regression else 'No regression'} of {metric} beyond {amount:g}: {why}.")
            status = max(status, int(is_regression))
    return status


def _opened(revision: Revision, out: Path | None) -> AbstractContextManager[Result]:
    """A revision's result: its tables for the text, and all its files, as far as there are some, for a page."""
    if out is None:
        return results_of(revision, TABLES)
    return results_or_tables_of(revision, lambda left_out: report("compare", left_out, 0))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.compare",
        description="Say what differs between results in parameters, code, packages and scores, and whether the scores"
        "\ndiffer by more than chance.",
        epilog=_RULES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("revisions", nargs="*", metavar="REV", help="by default HEAD, and the workspace against it")
    parser.add_argument(
        "--fail-on-regression",
        nargs="?",
        action="append",
        default=[],
        const=(METRICS[0].name, 0.0),
        type=_tolerance,
        metavar="METRIC:TOLERANCE",
        help="exit with status 1 if the whole interval of a difference is worse than the tolerance, in the metric's "
        f"unit; by default {METRICS[0].name}:0; may be repeated. Metrics: {_NAMES}",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write a page, a text and a video to it")
    return parser


def _tolerance(text: str) -> tuple[str, float]:
    """The name and the tolerance in `METRIC:TOLERANCE`, by default 0."""
    name, _, amount = text.partition(":")
    if name not in _NAMES.split(", "):
        raise argparse.ArgumentTypeError(f"expected METRIC:TOLERANCE, one of {_NAMES}, received {text!r}")
    try:
        number = float(amount or 0)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a tolerance of at least 0, received {text!r}")
    return name, number


if __name__ == "__main__":
    sys.exit(main())
