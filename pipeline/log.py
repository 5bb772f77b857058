"""Lists the results of commits and experiments: `python -m pipeline.log [REV…] [--limit N] [--json | --csv]`."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from functools import partial

from pipeline.errors import USER_ERRORS, report
from pipeline.reports.history import csv_of, entries_of, json_of, table_of

_WIDTH_OF_A_FILE = 120


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table.

    Returns:
        0; 1 if there are no results; 2 for an unknown revision or an invalid file.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.log",
        description="List the results of commits and DVC experiments, the newest first: the parameters they changed, "
        "the return of their best policies (interquartile mean over seeds, with its interval) and their MLflow run. "
        "A star marks the greatest mean of an environment. Revisions with the same results share a line.",
    )
    parser.add_argument("revisions", nargs="*", metavar="REV", help="only these revisions (default: all)")
    parser.add_argument("--limit", type=_limit, default=20, metavar="N", help="at most N results (default: 20)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_const", dest="form", const=json_of, help="print JSON")
    form.add_argument("--csv", action="store_const", dest="form", const=csv_of, help="print CSV")
    width = shutil.get_terminal_size((_WIDTH_OF_A_FILE, 0)).columns
    parser.set_defaults(form=partial(table_of, width=width, links=sys.stdout.isatty()))
    options = parser.parse_args(arguments)
    try:
        entries = entries_of(options.revisions, lambda left_out: report("log", left_out, 0))
    except USER_ERRORS as error:
        return report("log", error, 2)
    if not entries:
        return report(
            "log", "expected results in the workspace, a commit or an experiment, found none; run `dvc repro`", 1
        )
    print(options.form(entries[: options.limit]))
    return 0


def _limit(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, received {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
