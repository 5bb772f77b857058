import numpy as np
import pytest

from ddpg.visualizations.scales import axis_end, colour_limits, finite, score_limits, trace_limit


def test_numbers_that_are_none_are_left_out() -> None:
    assert finite([np.array([[1.0, np.nan]]), np.array([np.inf, 2.0])]).tolist() == [1, 2]


def test_an_outlier_does_not_widen_the_colours() -> None:
    values = np.append(np.linspace(0, 1, 999), 1000)
    low, high = colour_limits(values)
    assert 0 <= low < 0.02
    assert 0.98 < high <= 1


def test_symmetric_colours_are_centred_on_zero() -> None:
    low, high = colour_limits(np.linspace(-1, 3, 1000), symmetric=True)
    assert low == -high
    assert 2.9 < high <= 3


@pytest.mark.parametrize("values", [[], [0.0], [5.0, 5.0]])
def test_colours_have_a_range(values: list[float]) -> None:
    low, high = colour_limits(np.array(values))
    assert low < high


def test_an_early_disaster_does_not_squash_the_scores() -> None:
    scores = np.append(np.linspace(80, 100, 50), -90)
    low, high = score_limits(scores, threshold=90)
    assert 70 < low < 80
    assert 100 < high < 110


def test_usual_scores_and_the_threshold_are_within_the_limits() -> None:
    low, high = score_limits(np.array([-3.0, 0.0, 4.0]), threshold=50)
    assert low < -3
    assert high > 50


@pytest.mark.parametrize("scores", [[], [7.0]])
def test_score_limits_have_a_range(scores: list[float]) -> None:
    low, high = score_limits(np.array(scores), None)
    assert low < high


@pytest.mark.parametrize(
    ("values", "limit"), [([], 1), ([0.0], 1), ([-0.07, 0.02], 0.07), ([1.234], 1.3), ([0.0] * 99 + [95], 95)]
)
def test_a_trace_is_divided_by_its_greatest_magnitude(values: list[float], limit: float) -> None:
    assert trace_limit(np.array(values)) == pytest.approx(limit)


def test_a_rare_reward_does_not_flatten_its_trace() -> None:
    assert trace_limit(np.array([-0.5] * 30 + [100.0])) == pytest.approx(1)


@pytest.mark.parametrize(
    ("n_steps", "end"), [(0, 1), (1, 1), (2, 2), (7, 10), (10, 10), (11, 15), (100, 100), (199, 200), (999, 1000)]
)
def test_an_axis_ends_at_a_round_number(n_steps: int, end: float) -> None:
    assert axis_end(n_steps) == end
