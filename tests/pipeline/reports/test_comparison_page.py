import re
from html.parser import HTMLParser

import pytest

from pipeline.reports import comparison_page
from pipeline.reports.comparison import Comparison
from tests.pipeline.reports.made import pictured, result

pytestmark = pytest.mark.slow

CLOSE, BETTER = [95.0, 97, 98, 94, 96], [97.0, 99, 99.5, 96.5, 98]
EVIL = '<script>alert("evil")</script>'


class Page(HTMLParser):
    """What a page refers to, and its elements and text."""

    def __init__(self, source):
        super().__init__()
        self.source, self.references, self.tags, self._texts = source, [], [], []
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.references += [value for name, value in attributes if name in ("src", "href", "srcset", "poster", "data")]

    def handle_data(self, data):
        self._texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self._texts).split())


@pytest.fixture
def page(tmp_path):
    """Returns the page of results."""

    def page(*results):
        comparisons = [Comparison(results[0], other) for other in results[1:]]
        return Page(comparison_page.page_of(results, comparisons, tmp_path / "videos"))

    return page


@pytest.fixture
def results(repository, tmp_path):
    first, second = (repository.commit(EVIL, **{"<i>agent": text}) for text in ("a = 1\n", "a = 2\n"))
    return [
        pictured(tmp_path, "first", CLOSE, commit=first),
        pictured(tmp_path, "<b>", BETTER, commit=second, agent={"activation_fn_actor": EVIL}, animate={"fps": 30}),
    ]


def test_a_page_needs_no_other_file_and_runs_no_foreign_script(page, results):
    made = page(*results)
    assert all(reference.startswith("data:") for reference in made.references)
    assert not re.search(r"https?:|url\(|@import", re.sub(r"data:[\w/+]+;base64,[\w+/=]+", "", made.source))
    assert made.tags.count("script") == 1
    assert "i" not in made.tags
    for text in (EVIL, "<i>agent.py", "Best return: <b> is better, with 5 seeds.", "from the same start states"):
        assert text in made.text
    assert made.tags.count("video") == 4
    assert re.findall(r'data-pace="([\d.]+)"', made.source) == ["300.0", "600.0", "60.0", "60.0"]
    assert page(*results).source == made.source


def test_several_results_without_pictures_have_a_page_with_the_level_of_each_interval(page, repository, tmp_path):
    levels = {"first": 0.9, "second": 0.995, "third": 0.9}
    made = page(*(result(tmp_path, n, CLOSE, evaluate={"confidence_level": level}) for n, level in levels.items()))
    assert "video" not in made.tags
    assert "second and third against first" in made.text
    for level in ("90% and 99.5%", "90%"):
        assert f"intervals over seeds: {level} of a value, 95% of a difference and of a probability." in made.text


def test_other_start_states_and_environments_are_named(page, results, tmp_path):
    made = page(results[0], pictured(tmp_path, "third", BETTER, evaluate={"seed": 5}))
    assert "from different start states" in made.text
    made = page(results[0], result(tmp_path, "fourth", BETTER, environment={"id": "Pendulum-v1"}))
    assert "scores of different tasks cannot be compared" in made.text
    assert "robability of improvement" not in made.text


def test_too_many_videos_are_files_beside_the_page(page, results, tmp_path, monkeypatch):
    monkeypatch.setattr(comparison_page, "MOST_EMBEDDED", 1)
    made = page(*results)
    videos = [reference for reference in made.references if reference.startswith("videos/")]
    assert len(set(videos)) == 4
    assert all((tmp_path / video).stat().st_size > 0 for video in videos)
    assert re.search(r"media-src data: file: (&#39;|')self", made.source)


def test_every_score_of_every_seed_is_in_the_table(repository, tmp_path):
    first = result(tmp_path, "first", [95, 97, 98], seeds=(1, 2, 3), episodes_to_solve=[7, float("nan"), 9])
    table = comparison_page.seeds_table([first, result(tmp_path, "second", [1], seeds=(4,))])
    assert table["labels"] == ["best return", "final return", "steps to solve", "episodes to solve"]
    assert table["rows"][1] == ["2", "97.00", "–", "97.00", "–", "never", "–", "never", "–"]
    assert table["rows"][3] == ["4", "–", "1.00", "–", "1.00", "–", "5,000", "–", "10"]
