import numpy as np
import pytest

from ddpg.evaluation.statistics import bootstrap_interquartile_mean, interquartile_mean


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8], 4.5),
        ([-1000, 3, 4, 8, 1000], 5),  # of five, one is left out at each end
        ([1, 2, 6], 3),  # of three, none
        ([7], 7),
    ],
)
def test_interquartile_mean(scores, expected):
    assert interquartile_mean(scores) == pytest.approx(expected)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [bootstrap_interquartile_mean(rng.normal(5, 2, 30), 0.9, 200, rng) for _ in range(300)]
    assert np.mean([interval.low <= 5 <= interval.high for interval in intervals]) == pytest.approx(0.9, abs=0.06)
    assert all(interval.low <= interval.value <= interval.high for interval in intervals)


def test_interval_of_equal_scores_is_that_score_and_of_one_seed_too():
    for scores in ([3.0, 3.0, 3.0], [3.0]):
        assert bootstrap_interquartile_mean(scores, 0.95, 100, np.random.default_rng(0)) == (3, 3, 3)


def test_same_generator_gives_the_same_interval():
    scores = np.random.default_rng(1).normal(size=6)
    first, second = (bootstrap_interquartile_mean(scores, 0.95, 100, np.random.default_rng(2)) for _ in range(2))
    assert first == second
