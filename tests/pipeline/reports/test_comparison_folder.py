import pytest

from pipeline.reports.comparison import Comparison
from pipeline.reports.comparison_folder import FILM, PAGE, TEXT, write_report
from tests.pipeline.reports.made import pictured

pytestmark = pytest.mark.slow


@pytest.fixture
def write(repository, tmp_path, monkeypatch):
    """Writes a report with this text as its page."""
    results = [pictured(tmp_path, name, [95.0, 97, 98, 94, 96]) for name in ("first", "second")]

    def write(folder, text="page"):
        monkeypatch.setattr("pipeline.reports.comparison_page.page_of", lambda *_: text)
        write_report(folder, results, [Comparison(*results)])
        return (folder / PAGE).read_text()

    return write


def test_replaces_an_earlier_report_and_nothing_else(write, tmp_path):
    folder = tmp_path / "report"
    folder.mkdir()
    assert write(folder, "old") == "old"
    assert write(folder, "new") == "new"
    assert {path.name for path in folder.iterdir()} == {".comparison", PAGE, TEXT, FILM}
    (folder / "mine.txt").touch()
    with pytest.raises(FileExistsError, match=r"expected an empty folder or an earlier report, found mine\.txt"):
        write(folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / PAGE).touch()
    for path in (tmp_path / "other", tmp_path / "other" / PAGE):
        with pytest.raises(FileExistsError, match="expected a"):
            write(path)


def test_a_failure_leaves_the_earlier_report(write, tmp_path, monkeypatch):
    write(tmp_path / "report")

    def fail(*arguments):
        raise RuntimeError("no video")

    monkeypatch.setattr("pipeline.reports.film.write_side_by_side", fail)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RuntimeError, match="no video"):
        write(tmp_path / "report", "new")
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "report" / PAGE).read_text() == "page"
