import math

import numpy as np
import pytest
from scipy import stats

from ddpg.evaluation.statistics import (
    bootstrap,
    bootstrap_difference,
    choose_pairing,
    interquartile_mean,
    median,
    performance_profile,
    probability_of_improvement,
    seeds_needed,
    with_worst,
)

SETTINGS = {"confidence_level": 0.95, "n_samples": 2000}
RNG = np.random.default_rng(7)
BASELINE, CANDIDATE = RNG.normal(90, 3, 8), RNG.normal(93, 3, 8)


def rng():
    return np.random.default_rng(0)


def mean(scores):
    return scores.mean(axis=-1)


def difference(baseline, candidate, *, paired=False, statistic=interquartile_mean, **changes):
    arguments = SETTINGS | {"rng": rng()} | changes
    return bootstrap_difference(np.array(baseline), np.array(candidate), statistic, paired=paired, **arguments)


def improvement(baseline, candidate, *, higher_is_better=True):
    scores = np.array(baseline), np.array(candidate)
    return probability_of_improvement(*scores, higher_is_better=higher_is_better, confidence_level=0.95)


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
    assert interquartile_mean(np.array(scores)) == pytest.approx(expected)


@pytest.mark.parametrize("sizes", [(4, 4), (3, 9)])
def test_the_interval_of_a_mean_and_of_a_difference_of_means_are_students_and_welchs(sizes):
    source = np.random.default_rng(4)
    a, b = (source.normal(i, 1 + i, size) for i, size in enumerate(sizes))
    interval = bootstrap(a, mean, 0.95, 20_000, rng())
    np.testing.assert_allclose(interval[1:], stats.ttest_1samp(a, 0).confidence_interval(), rtol=0.03)
    interval, _ = difference(a, b, statistic=mean, n_samples=20_000)
    np.testing.assert_allclose(interval[1:], stats.ttest_ind(b, a, equal_var=False).confidence_interval(), rtol=0.03)
    if len(a) == len(b):
        interval, _ = difference(a, b, statistic=mean, n_samples=20_000, paired=True)
        np.testing.assert_allclose(interval[1:], stats.ttest_rel(b, a).confidence_interval(), rtol=0.03)


def test_an_interval_of_equal_scores_is_that_score_and_of_one_seed_too():
    for scores in ([3.0, 3.0, 3.0], [3.0]):
        assert bootstrap(np.array(scores), interquartile_mean, 0.95, 100, rng()) == (3, 3, 3)


def test_a_missing_score_is_the_worst():
    assert with_worst([1, math.nan], higher_is_better=True).tolist() == [1, -math.inf]
    assert with_worst([1, math.nan], higher_is_better=False).tolist() == [1, math.inf]


def test_the_definitions_are_those_published():
    """Written out as in Agarwal et al., 2021: scores of runs by tasks, of which there is one."""
    runs_by_tasks = BASELINE[:, None], CANDIDATE[:, None]
    assert interquartile_mean(BASELINE) == stats.trim_mean(runs_by_tasks[0], proportiontocut=0.25, axis=None)

    def improvement_over_tasks(x, y):
        n, m = len(x), len(y)
        greater = [[stats.mannwhitneyu(x[:, k], y[:, k], alternative="greater")[0]] for k in range(x.shape[1])]
        return np.mean(greater) / (n * m)

    assert improvement(BASELINE, CANDIDATE).value == pytest.approx(improvement_over_tasks(*runs_by_tasks[::-1]))

    def stratified_resample(scores, rng):
        """Runs are drawn with replacement within each task."""
        drawn = [scores[rng.integers(len(scores), size=len(scores)), k] for k in range(scores.shape[1])]
        return np.stack(drawn, axis=1)

    source = np.random.default_rng(1)
    samples = [stats.trim_mean(stratified_resample(runs_by_tasks[0], source), 0.25, axis=None) for _ in range(4000)]
    value, *ends = bootstrap(BASELINE, interquartile_mean, 0.95, 4000, rng())
    margin = stats.t.ppf(0.975, 7) * math.sqrt(8 / 7) * np.std(samples)
    np.testing.assert_allclose(ends, (value - margin, value + margin), atol=0.2)

    thresholds = [85, 90, 95]
    profile = [np.mean([score > threshold for score in BASELINE]) for threshold in thresholds]
    assert performance_profile(BASELINE, thresholds).tolist() == profile


@pytest.mark.parametrize("paired", [False, True])
def test_the_standard_error_of_a_difference_agrees_with_scipys_bootstrap_but_for_the_correction(paired):
    _, error = difference(BASELINE, CANDIDATE, paired=paired, n_samples=20_000)
    reference = stats.bootstrap(
        (BASELINE, CANDIDATE),
        lambda a, b, axis=-1: stats.trim_mean(b, 0.25, axis=axis) - stats.trim_mean(a, 0.25, axis=axis),
        paired=paired,
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(3),
    )
    assert error == pytest.approx(math.sqrt(8 / 7) * reference.standard_error, rel=0.05)


@pytest.mark.parametrize("paired", [False, True])
def test_a_large_difference_is_always_told(paired):
    source = np.random.default_rng(6)
    worse = [
        difference(*(source.normal(size=(2, 5)) - [[0], [20]]), paired=paired, n_samples=300, rng=source)[0]
        for _ in range(100)
    ]
    assert all(interval.high < 0 for interval in worse)


def test_pairs_cancel_what_both_share():
    shared = np.array([0.0, 100, -100, 50, -50])
    better = shared + np.array([1, 1.5, 0.5, 1.2, 0.8])
    assert difference(shared, better, paired=True)[0].low > 0
    assert difference(shared, better, paired=False)[0].low < 0
    with pytest.raises(ValueError, match="expected equally many scores, received 5 and 4"):
        difference(shared, better[:4], paired=True)


def test_scores_are_paired_where_they_correlate_beyond_chance():
    shared = np.array([0.0, 3, -2, 1, 5])
    close, other = shared + np.array([1, 0, 1, 0, 1]), shared[[1, 2, 3, 4, 0]]
    for candidate, paired in ((close, True), (-shared, True), (other, False)):
        found = choose_pairing(shared, candidate)
        reference = stats.pearsonr(shared, candidate)
        assert found.correlation == pytest.approx(reference.statistic)
        assert found.paired == (reference.pvalue < 0.2) == paired
    assert [round(choose_pairing(*np.zeros((2, n))).bound, 2) for n in (3, 5, 10, 20)] == [0.95, 0.69, 0.44, 0.3]


@pytest.mark.parametrize(
    ("baseline", "candidate"),
    [([1, 2], [1, 2]), ([1, 1, 1, 1], [1, 2, 3, 4]), ([1, 2, 3, math.inf], [1, 2, 3, math.inf])],
)
def test_scores_without_a_correlation_are_not_paired(baseline, candidate):
    paired, correlation, _ = choose_pairing(np.array(baseline, float), np.array(candidate, float))
    assert not paired
    assert math.isnan(correlation)


def test_two_seeds_never_tell_an_infinite_difference_and_five_do():
    for n, told in ((2, False), (3, False), (5, True)):
        never, soon = np.full(n, math.inf), np.arange(10.0, 10 + n)
        interval, _ = difference(never, soon, statistic=median)
        assert interval == (-math.inf, -math.inf, -math.inf if told else math.inf)
        assert (improvement(never, soon, higher_is_better=False).low > 0.5) == told


def test_one_seed_tells_nothing():
    interval, error = difference([1.0], [2.0])
    assert interval == (1, -math.inf, math.inf)
    assert math.isnan(error)
    assert improvement([1.0], [2.0]) == (1, 0, 1)


def test_a_diverged_seed_counts_as_the_worst_and_not_as_missing():
    with_one = with_worst([math.nan, 95, 96, 97, 98], higher_is_better=True)
    without = np.array([94.5, 95, 96, 97, 98])
    # The middle half does not hold it, but more resamples do.
    interval, error = difference(without, with_one)
    assert interval.value == 0
    assert interval.low == -math.inf
    assert not math.isfinite(error)
    assert improvement(without, with_one).value == (1 + 2 + 3 + 4 + 4 / 2) / 25


def test_seeds_that_never_solved_are_worse_than_any_and_like_each_other():
    never, soon = np.full(5, math.inf), np.array([10.0, 11, 12, 13, 14])
    assert difference(soon, never, statistic=median)[0] == (math.inf, math.inf, math.inf)
    assert difference(never, never, statistic=median)[0] == (0, 0, 0)
    assert improvement(soon, never, higher_is_better=False)[:2] == (0, 0)
    assert improvement(never, never, higher_is_better=False).value == 0.5
    # Of five, a number as long as three are.
    assert median(np.array([5.0, 6, 7, math.inf, math.inf])) == 7


@pytest.mark.parametrize(
    ("baseline", "candidate", "expected"),
    [([1, 2, 3], [4, 5, 6], 1), ([1, 2, 3], [1, 2, 3], 0.5), ([1, 3], [2, 2], 0.5), ([0, 1], [1, 2], 0.875)],
)
def test_probability_of_improvement(baseline, candidate, expected):
    assert improvement(baseline, candidate).value == expected
    assert improvement(baseline, candidate, higher_is_better=False).value == 1 - expected


def test_the_interval_of_an_improvement_solves_its_equation_and_mirrors():
    value, low, high = improvement(BASELINE, CANDIDATE)
    for theta in (low, high):
        # Hanley and McNeil's variance with exponential scores, both sides of one size.
        variance = theta * (1 - theta) * (1 + 7 * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / 64
        assert abs(value - theta) == pytest.approx(stats.t.ppf(0.975, 14) * math.sqrt(variance), rel=1e-6)
    mirrored = improvement(CANDIDATE, BASELINE)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - high, 1 - low))


def test_about_as_many_seeds_as_are_said_to_be_needed_do_tell():
    # An effect of one standard deviation: (1.96 + 0.84)² = 7.8 by the normal distribution, more by Student's.
    assert seeds_needed(1.0, 1 / math.sqrt(5), 5, 5, confidence_level=0.95) == 10
    n = seeds_needed(1.0, math.sqrt(2 / 5), 5, 5, confidence_level=0.95)
    source = np.random.default_rng(2)
    found = [stats.ttest_ind(source.normal(0, 1, n), source.normal(1, 1, n)).pvalue < 0.05 for _ in range(1000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)


def test_no_number_of_seeds_where_there_is_none():
    for change, error in ((0.0, 1.0), (math.inf, 1.0), (1.0, math.nan), (1e-6, 1.0)):
        assert seeds_needed(change, error, 5, 5, confidence_level=0.95) is None


def test_the_same_generator_gives_the_same_figures():
    assert difference(BASELINE, CANDIDATE) == difference(BASELINE, CANDIDATE)
    first, second = (bootstrap(BASELINE, interquartile_mean, 0.95, 100, rng()) for _ in range(2))
    assert first == second
