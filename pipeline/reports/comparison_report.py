"""The comparison as files: a page, a text for a pull request, and a video."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.provenance.result import Result
from pipeline.reports.charts import colour_of
from pipeline.reports.comparison import Comparison
from pipeline.reports.comparison_page import page_of
from pipeline.reports.film import Film, write_side_by_side
from pipeline.reports.folder import FILM, PAGE, TEXT, VIDEOS, replacing_folder
from pipeline.reports.markdown import markdown_of


def write_report(folder: Path, results: Sequence[Result], comparisons: Sequence[Comparison]) -> None:
    """Writes all files; the folder appears, or takes its predecessor's place, when they are complete.

    Args:
        folder: New, empty or a former report.
        results: The baseline, then the others.
        comparisons: Of each other result with the baseline.

    Raises:
        FolderError: The folder holds something else.
    """
    with replacing_folder(folder) as written:
        (written / PAGE).write_text(page_of(results, comparisons, written / VIDEOS), encoding="utf-8")
        (written / TEXT).write_text(markdown_of(comparisons), encoding="utf-8")
        films = list(_films(results))
        if films:
            write_side_by_side(films, written / FILM)


def _films(results: Sequence[Result]) -> Iterator[Film]:
    for i, result in enumerate(results):
        file = result.film("training")
        if file:
            yield Film(file, f"{result.name}, seed {result.median_seed}", colour_of(i), result.pace("training"))
