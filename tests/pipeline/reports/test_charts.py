import base64
import math
import re
from xml.etree import ElementTree

import pytest

from ddpg.evaluation.statistics import Interval
from pipeline.reports import charts
from tests.pipeline.reports.made import pictured, result

CLOSE, NOISY = [95.0, 97, 98, 94, 96], [96.0, 94, 99, 95, math.nan]


@pytest.fixture
def results(repository, tmp_path):
    return [pictured(tmp_path, "first", CLOSE, q=1), pictured(tmp_path, "_$second$", NOISY, q=3)]


def svg(address):
    text = base64.b64decode(address.removeprefix("data:image/svg+xml;base64,")).decode()
    ElementTree.fromstring(text)
    return text


def colours(text):
    return set(re.findall(r"#[0-9a-f]{6}", text))


@pytest.mark.parametrize(
    "draw",
    [
        lambda results: charts.draw_learning_curves(results, "test_return"),
        charts.draw_score_distributions,
        charts.draw_performance_profile,
        lambda results: charts.draw_intervals([(Interval(1, 0, 2), 0), (Interval(math.inf, 1, math.inf), 1)], None),
    ],
)
def test_a_picture_has_both_results_and_the_same_bytes_again(results, draw):
    picture = draw(results)
    assert {colour.lower() for colour in charts.COLOURS[:2]} <= colours(svg(picture))
    assert draw(results) == picture


def test_scores_that_all_diverged_can_be_drawn(repository, tmp_path):
    diverged = [result(tmp_path, "first", [math.nan] * 5)]
    for draw in (charts.draw_score_distributions, charts.draw_performance_profile):
        assert svg(draw(diverged))


def test_axes_of_values_that_are_all_infinite_are_left_out():
    never, soon = Interval(math.inf, math.inf, math.inf), Interval(2, 1, 3)
    numbers = [svg(charts.draw_intervals([(each, 0)], None)).count("<!--") for each in (never, soon)]
    assert numbers[0] == 0 < numbers[1]


def test_maps_need_the_same_plane_of_states(results, tmp_path):
    picture = charts.draw_maps(*results)
    assert picture is not None
    assert svg(picture) == svg(charts.draw_maps(*results))
    results[1].history.grid.x[0] = -3
    assert charts.draw_maps(*results) is None
    assert charts.draw_maps(results[0], result(tmp_path, "third", CLOSE)) is None
