import math

import numpy as np
import pytest

from ddpg.evaluation.statistics import bootstrap, interquartile_mean
from ddpg.seeding import Stream, generator
from pipeline.reports.comparison import METRICS, Outcome, compare, describe
from tests.pipeline.reports.made import result
from tests.pipeline.small import write_params

CLOSE = [95.0, 97, 98, 94, 96]
BETTER = [97.0, 99, 99.5, 96.5, 98]
NOISY = [96.0, 94, 99, 95, 95]


@pytest.fixture
def versus(repository, tmp_path):
    """Compares made-up results with a baseline whose best policies return `CLOSE`."""

    def versus(best, *, baseline=None, **changes):
        first = result(tmp_path, "first", **({"best": CLOSE} | (baseline or {})))
        return compare(first, result(tmp_path, "second", best, **changes))

    return versus


def first(comparison):
    return comparison.differences[0]


def test_identical_results_are_said_to_be(versus):
    comparison = versus(CLOSE)
    assert comparison.identical
    assert comparison.verdict.startswith("The results are identical")


def test_equal_scores_of_other_seeds_are_not_identical(versus):
    comparison = versus(CLOSE, seeds=(6, 7, 8, 9, 10))
    assert not comparison.identical
    assert not comparison.paired
    assert "The seeds differ: they are not paired." in comparison.cautions
    assert first(comparison).outcome is Outcome.EQUAL


def test_clearly_better_and_worse(versus):
    comparison = versus(BETTER)
    assert comparison.paired
    assert first(comparison).outcome is Outcome.BETTER
    assert comparison.verdict == "Best return: second is better, with 5 seeds."
    assert first(versus([each - 5 for each in CLOSE])).outcome is Outcome.WORSE


def test_what_cannot_be_distinguished_says_how_many_seeds_would_tell(versus):
    comparison = versus(NOISY)
    assert first(comparison).outcome is Outcome.UNCERTAIN
    assert "not distinguishable with 5 seeds; about " in comparison.verdict
    assert "would be needed to see a difference of this size" in comparison.verdict


def test_other_start_states_or_seeds_are_not_paired(versus):
    for changes in ({"evaluate": {"seed": 1}}, {"evaluate": {"n_episodes": 3}}, {"seeds": (1, 2, 3, 4, 6)}):
        comparison = versus(BETTER, **changes)
        assert not comparison.paired
        assert comparison.cautions
        assert comparison.differences


def test_scores_of_different_environments_are_not_compared(versus):
    comparison = versus(BETTER, environment={"id": "Pendulum-v1"})
    assert not comparison.comparable
    assert comparison.differences == []
    assert comparison.values
    assert "cannot be compared" in comparison.verdict


def test_a_diverged_seed_counts_as_the_worst_and_is_named(versus):
    comparison = versus([math.nan, math.nan, 99.5, 96.5, 98])
    assert first(comparison).candidate.value == -math.inf
    assert first(comparison).outcome is Outcome.UNCERTAIN
    assert first(versus([math.nan] * 5)).outcome is Outcome.WORSE
    assert any("2 of 5 seeds of second have none" in caution for caution in comparison.cautions)


def test_fewer_steps_to_solve_are_better(versus):
    comparison = versus(NOISY, episodes_to_solve=[5, 6, 7, 8, 9])
    steps = comparison.differences[2]
    assert steps.change.value < 0 < steps.gain.value
    assert steps.outcome is Outcome.BETTER
    assert steps.improvement.value == 1
    never = versus(NOISY, episodes_to_solve=[math.nan] * 5).differences[3]
    assert never.outcome is Outcome.WORSE
    assert never.metric.show(never.candidate.value) == "never"


def test_parameters_that_were_edited_after_the_results_are_named(versus):
    comparison = versus(CLOSE)
    assert comparison.cautions == []
    write_params(comparison.candidate.folder)
    (caution,) = compare(comparison.baseline, comparison.candidate).cautions
    assert caution.startswith("params.yaml of second was edited after its results were made")


def test_one_seed_cannot_tell(versus):
    comparison = versus([99.0], seeds=(1,), baseline={"best": [10.0], "seeds": (1,)})
    assert first(comparison).outcome is Outcome.UNCERTAIN
    assert "one seed cannot tell" in describe(first(comparison), comparison)
    assert not first(comparison).is_regression(0)


def test_regression_means_that_no_part_of_the_interval_is_within_the_tolerance(versus):
    worse = first(versus([each - 5 for each in CLOSE]))
    assert worse.change == (-5, -5, -5)
    assert worse.is_regression(4.9)
    assert not worse.is_regression(5)
    assert not first(versus(NOISY)).is_regression(0)
    slower = versus(CLOSE, episodes_to_solve=[20, 21, 22, 23, 24]).differences[3]
    assert slower.is_regression(9.9)
    assert not slower.is_regression(10)


def test_the_interval_of_a_value_is_that_of_metrics_json(versus):
    comparison = versus(NOISY)
    settings = comparison.candidate.params["evaluate"]
    rng = generator(settings["seed"], Stream.BOOTSTRAP)
    level, n_samples = settings["confidence_level"], settings["n_bootstrap_samples"]
    expected = bootstrap(np.array(NOISY), interquartile_mean, level, n_samples, rng)
    np.testing.assert_allclose(comparison.values[METRICS[0]][1], expected)


def test_metrics_that_only_one_has_are_left_out(versus):
    comparison = versus(NOISY)
    del comparison.candidate.seeds["final_return"]
    again = compare(comparison.baseline, comparison.candidate)
    assert [metric.name for metric in again.values] == [METRICS[0].name, METRICS[2].name, METRICS[3].name]
