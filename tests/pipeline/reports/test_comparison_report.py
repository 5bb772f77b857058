import re
from html.parser import HTMLParser

import pytest

from pipeline.reports import comparison_page as page
from pipeline.reports.comparison import compare
from pipeline.reports.comparison_report import write_report
from pipeline.reports.folder import FILM, PAGE, TEXT, VIDEOS, FolderError
from tests.pipeline.reports.made import pictured, result

pytestmark = pytest.mark.slow

CLOSE, BETTER = [95.0, 97, 98, 94, 96], [97.0, 99, 99.5, 96.5, 98]
EVIL = '<script>alert("evil")</script>'


class Page(HTMLParser):
    """What a page refers to, and its elements and text."""

    def __init__(self, text):
        super().__init__()
        self.references, self.tags, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.references += [value for name, value in attributes if name in ("src", "href", "srcset", "poster", "data")]

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


@pytest.fixture
def results(repository, tmp_path):
    return [
        pictured(tmp_path, "first", CLOSE),
        pictured(tmp_path, "second<b>", BETTER, agent={"activation_fn_actor": EVIL}, animate={"fps": 30}),
    ]


def write(folder, results):
    write_report(folder, results, [compare(results[0], other) for other in results[1:]])
    return (folder / PAGE).read_text(encoding="utf-8")


def test_writes_a_page_that_needs_nothing_else_and_runs_no_foreign_script(results, tmp_path):
    text = write(tmp_path / "report", results)
    parsed = Page(text)
    assert all(reference.startswith("data:") for reference in parsed.references)
    assert not re.search(r"https?:|url\(|@import", re.sub(r"data:[\w/+]+;base64,[\w+/=]+", "", text))
    assert parsed.tags.count("script") == 1
    assert parsed.tags.count("b") == 2 + 4
    assert EVIL in parsed.text
    assert parsed.tags.count("video") == 4
    assert re.findall(r'data-pace="([\d.]+)"', text) == ["300.0", "600.0", "60.0", "60.0"]
    assert "Best return: second<b> is better, with 5 seeds." in parsed.text
    assert "from the same start states" in parsed.text
    assert {path.name for path in (tmp_path / "report").iterdir()} == {".comparison", PAGE, TEXT, FILM}
    assert write(tmp_path / "again", results) == text


def test_names_subjects_and_files_are_escaped(repository, tmp_path):
    commit = repository.commit(EVIL, **{"<i>agent": "a = 1\n"})
    repository.git("branch", "<script>main")
    other = repository.commit("Second", **{"<i>agent": "a = 2\n"})
    results = [
        result(tmp_path, "<script>main", CLOSE, commit=commit),
        result(tmp_path, "second", BETTER, commit=other),
    ]
    parsed = Page(write(tmp_path / "report", results))
    assert parsed.tags.count("script") == 1
    assert "i" not in parsed.tags
    for text in ("<script>main", EVIL, "<i>agent.py"):
        assert text in parsed.text


def test_the_level_of_each_interval_is_said(repository, tmp_path):
    results = [
        result(tmp_path, "first", CLOSE, evaluate={"confidence_level": 0.9}),
        result(tmp_path, "second", BETTER, evaluate={"confidence_level": 0.995}),
    ]
    text = Page(write(tmp_path / "report", results)).text
    assert "intervals over seeds: 90 % and 99.5 % of a value, 95 % of a difference and of a probability." in text


def test_results_without_pictures_have_a_page_too(repository, tmp_path):
    plain = [result(tmp_path, name, best) for name, best in (("first", CLOSE), ("second", BETTER), ("third", CLOSE))]
    parsed = Page(write(tmp_path / "report", plain))
    assert "video" not in parsed.tags
    assert "second and third against first" in parsed.text
    assert not (tmp_path / "report" / FILM).exists()


def test_other_start_states_and_environments_are_said(repository, tmp_path):
    results = [pictured(tmp_path, "first", CLOSE), pictured(tmp_path, "second", BETTER, evaluate={"seed": 5})]
    assert "from different start states" in Page(write(tmp_path / "report", results)).text
    results[1] = pictured(tmp_path, "third", BETTER, environment={"id": "Pendulum-v1"})
    text = Page(write(tmp_path / "report", results)).text
    assert "scores of different tasks cannot be compared" in text
    assert "robability of improvement" not in text


def test_too_many_videos_lie_beside_the_page(results, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "MOST_EMBEDDED", 1)
    text = write(tmp_path / "report", results)
    videos = [reference for reference in Page(text).references if reference.startswith(VIDEOS)]
    assert len(videos) == 4
    for video in videos:
        assert (tmp_path / "report" / video).stat().st_size > 0
    assert "media-src data: file: &#39;self&#39;" in text or "media-src data: file: 'self'" in text


@pytest.fixture
def quick_page(monkeypatch):
    """What the page holds instead of pictures."""
    content = ["first"]
    monkeypatch.setattr("pipeline.reports.comparison_report.page_of", lambda *arguments: content[0])
    return content


def test_replaces_a_former_report_and_nothing_else(results, quick_page, tmp_path):
    folder = tmp_path / "report"
    assert write(folder, results) == "first"
    quick_page[0] = "second"
    assert write(folder, results) == "second"
    (folder / "mine.txt").touch()
    with pytest.raises(FolderError, match=r"expected a folder that is empty or a former report, found mine\.txt"):
        write(folder, results)
    other = tmp_path / "other"
    other.mkdir()
    write(other, results)
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / PAGE).touch()
    for path in (tmp_path / "page", tmp_path / "page" / PAGE):
        with pytest.raises(FolderError, match="expected a folder"):
            write(path, results)


def test_a_failure_leaves_the_former_report(results, quick_page, tmp_path, monkeypatch):
    folder = tmp_path / "report"
    write(folder, results)

    def fail(*arguments):
        raise RuntimeError("no video")

    monkeypatch.setattr("pipeline.reports.comparison_report.write_side_by_side", fail)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="no video"):
        write(folder, results)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert (folder / FILM).is_file()
