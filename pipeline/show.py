"""Shows a result as a web page in one file: `python -m pipeline.show [REV]`."""

import argparse
import sys
import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from ddpg.files import replacing, require_parent
from pipeline.errors import USER_ERRORS, RevisionError, report
from pipeline.provenance.result import TABLES
from pipeline.provenance.revision import WORKSPACE, Revision, lock_of, params_of
from pipeline.reports.result_page import page_of
from pipeline.revisions.names import resolve
from pipeline.revisions.retrieval import results_of, results_or_tables_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the page and, unless a file was given, opens it in a browser.

    Returns:
        0; 2 for an unknown revision, missing or invalid results, or a file that cannot be written.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.show",
        description="Show a result on one web page that needs no network: statistics, curves, videos, parameters.",
    )
    parser.add_argument(
        "revision",
        nargs="?",
        default="workspace",
        metavar="REV",
        help="a commit, branch, tag, DVC experiment or MLflow run; by default the workspace",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the page to this file and open nothing")
    options = parser.parse_args(arguments)
    try:
        if options.out is not None:
            _require_file(options.out)
        page = _page(resolve(options.revision))
        file = options.out or Path(tempfile.mkdtemp(prefix="ddpg-")) / "result.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            temporary.write_text(page, encoding="utf-8")
    except USER_ERRORS as error:
        return report("show", error, 2)
    print(file)
    if options.out is None:
        webbrowser.open(file.resolve().as_uri())
    return 0


def _page(revision: Revision) -> str:
    """The page of a revision; of a workspace without results, as in a fresh clone, that of HEAD's tables."""
    try:
        with results_or_tables_of(revision, _note) as result:
            return page_of(result)
    except RevisionError as error:
        if revision.kind != WORKSPACE:
            raise
        params_of(revision)  # files that are damaged are refused, not passed over
        lock_of(revision)
        with results_of(resolve("HEAD"), TABLES) as result:
            page = page_of(result)
        _note(f"{error}\nThe page shows what git has of {result.name}: numbers and curves, no films.")
        return page


def _note(left_out: str) -> None:
    report("show", left_out, 0)


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected a file, received a folder")
    require_parent(path)


if __name__ == "__main__":
    sys.exit(main())
