"""The comparison as a folder of files: a page, a text for a pull request, and a video."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ddpg.files import require_parent
from pipeline.provenance.result import Result
from pipeline.reports.comparison import Comparison
from pipeline.reports.comparison_text import markdown_of

PAGE, TEXT, FILM, VIDEOS = "index.html", "compare.md", "compare.mp4", "videos"
_MARKER = ".comparison"


def write_report(folder: Path, results: Sequence[Result], comparisons: Sequence[Comparison]) -> None:
    """Writes all files; the folder appears, or replaces an earlier report, when they are complete.

    Args:
        folder: New, empty or an earlier report.
        results: The baseline, then the others.
        comparisons: Of each other result with the baseline.

    Raises:
        FileExistsError: The folder holds other files.
    """
    # Imported here: both import Matplotlib, which takes a second.
    from pipeline.reports import comparison_page, film

    with _replacing_folder(folder) as written:
        page = comparison_page.page_of(results, comparisons, written / VIDEOS)
        (written / PAGE).write_text(page, encoding="utf-8")
        (written / TEXT).write_text(markdown_of(comparisons), encoding="utf-8")
        films = film.films_of(results, "training")
        if films:
            film.write_side_by_side(films, written / FILM)


def require_replaceable(folder: Path) -> None:
    """Checks that a folder holds nothing but an earlier report.

    Raises:
        FileExistsError: It holds other files, or is a file.
        OSError: It cannot be created or written.
    """
    require_parent(folder)
    if folder.is_dir():
        found = {path.name for path in folder.iterdir()}
        others = found - {PAGE, TEXT, FILM, VIDEOS, _MARKER} if _MARKER in found else found
        if others:
            listed = ", ".join(sorted(others)[:5])
            raise FileExistsError(f"{folder}: expected an empty folder or an earlier report, found {listed} in it")
    elif folder.exists() or folder.is_symlink():
        raise FileExistsError(f"{folder}: expected a folder, received a file")


@contextmanager
def _replacing_folder(folder: Path) -> Iterator[Path]:
    """A new folder that replaces an empty one or an earlier report if the block succeeds."""
    require_replaceable(folder)
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(
        prefix=f".{folder.name[:200]}.", dir=folder.parent, ignore_cleanup_errors=True
    ) as temporary:
        written = Path(temporary) / "written"
        written.mkdir()
        (written / _MARKER).touch()
        yield written
        if folder.exists():
            folder.rename(Path(temporary) / "earlier")
        written.rename(folder)
