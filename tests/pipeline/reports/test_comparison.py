import math

import numpy as np
import pytest

from ddpg.evaluation.statistics import bootstrap, interquartile_mean
from ddpg.seeding import Stream, generator
from pipeline.reports.comparison import Comparison
from tests.pipeline.reports.made import result
from tests.pipeline.small import write_params

CLOSE = [95.0, 97, 98, 94, 96]
BETTER = [97.0, 99, 99.5, 96.5, 98]
NOISY = [96.0, 94, 99, 95, 95]
UNRELATED = [96.0, 95, 97, 96, 99]


@pytest.fixture
def versus(repository, tmp_path):
    """Compares made-up results with a baseline whose best policies return `CLOSE`."""

    def versus(best, *, baseline=None, **changes):
        first = result(tmp_path, "first", **({"best": CLOSE} | (baseline or {})))
        return Comparison(first, result(tmp_path, "second", best, **changes))

    return versus


def first(comparison):
    return comparison.differences[0]


@pytest.mark.parametrize(
    ("best", "outcome", "verdict"),
    [
        (CLOSE, "equal", "The results are identical: "),
        (BETTER, "better", "Best return: second is better, with 5 seeds."),
        ([each - 5 for each in CLOSE], "worse", "Best return: second is worse"),
        ([math.nan] * 5, "worse", "Best return: second is worse"),
        (NOISY, "uncertain", "Best return: not distinguishable with 5 seeds; about 160 would be needed"),
    ],
)
def test_outcomes(versus, best, outcome, verdict):
    comparison = versus(best)
    assert comparison.matched
    assert comparison.identical == (outcome == "equal")
    assert first(comparison).outcome == outcome
    assert comparison.verdict.startswith(verdict)


@pytest.mark.parametrize(
    ("changes", "caution"),
    [
        ({"evaluate": {"seed": 1}}, "start states differ"),
        ({"evaluate": {"n_episodes": 3}}, "start states differ"),
        ({"seeds": (6, 7, 8, 9, 10)}, "The seeds differ"),
    ],
)
def test_other_start_states_or_seeds_are_neither_paired_nor_identical(versus, changes, caution):
    comparison = versus(CLOSE, **changes)
    assert not comparison.matched
    assert first(comparison).outcome == "equal"
    (found,) = comparison.cautions()
    assert caution in found


def test_a_diverged_seed_counts_as_the_worst_and_is_named(versus):
    comparison = versus([math.nan, math.nan, 99.5, 96.5, 98])
    assert comparison.scores[0].candidate.value == -math.inf
    assert first(comparison).outcome == "uncertain"
    assert any("missing for 2 of 5 seeds of second" in caution for caution in comparison.cautions())


def test_fewer_steps_to_solve_are_better(versus):
    comparison = versus(NOISY, episodes_to_solve=[5, 6, 7, 8, 9])
    steps = comparison.differences[2]
    assert steps.change.value < 0 < steps.gain.value
    assert steps.outcome == "better"
    assert steps.improvement.value == 1
    comparison = versus(NOISY, episodes_to_solve=[math.nan] * 5)
    never = comparison.differences[3]
    assert never.outcome == "worse"
    assert never.show_change() == "12 → never"
    assert never.metric.show_interval(comparison.scores[3].candidate) == "never"


@pytest.mark.parametrize("values", [([10.0, 20], [12.0, 21]), ([10.0, 20], [30.0, 40]), ([10.0, 11], [math.nan] * 2)])
def test_two_seeds_that_cannot_be_told_apart_have_no_certain_improvement(versus, values):
    comparison = versus(
        [90.0, 91],
        seeds=(1, 2),
        episodes_to_solve=values[1],
        baseline={"best": [90.0, 91], "seeds": (1, 2), "episodes_to_solve": values[0]},
    )
    difference = comparison.differences[3]
    assert difference.outcome == "uncertain"
    assert difference.improvement.low < 0.5 < difference.improvement.high
    assert "correlation unknown" in difference.show_pairing()


def test_seeds_are_paired_where_their_scores_correlate(versus):
    paired, alone = (first(versus(best)) for best in (BETTER, UNRELATED))
    assert paired.pairing.paired
    assert not alone.pairing.paired
    assert first(versus(BETTER, seeds=(6, 7, 8, 9, 10))).pairing is None


def test_parameters_that_were_edited_after_the_results_are_named(versus):
    comparison = versus(CLOSE)
    assert not list(comparison.cautions())
    write_params(comparison.candidate.folder)
    (caution,) = Comparison(comparison.baseline, comparison.candidate).cautions()
    assert caution.startswith("params.yaml of second was edited after its results were made")


def test_one_seed_cannot_tell(versus):
    comparison = versus([99.0], seeds=(1,), baseline={"best": [10.0], "seeds": (1,)})
    assert first(comparison).outcome == "uncertain"
    assert "one seed cannot tell" in first(comparison).describe("second")
    assert not comparison.check_regression("best_return", 0)[0]


def test_a_regression_is_an_interval_that_is_completely_worse_than_the_tolerance(versus):
    worse = versus([each - 5 for each in CLOSE])
    assert first(worse).change == (-5, -5, -5)
    assert worse.check_regression("best_return", 4.9) == (True, "the whole interval of the difference is worse")
    assert worse.check_regression("best_return", 5) == (False, "the whole interval of the difference is no worse")
    is_regression, why = versus(NOISY).check_regression("best_return", 0)
    assert not is_regression
    assert "does not exclude" in why
    slower = versus(CLOSE, episodes_to_solve=[20, 21, 22, 23, 24])
    assert [slower.check_regression("episodes_to_solve", each)[0] for each in (9.9, 10)] == [True, False]


def test_what_cannot_be_compared_is_no_regression(versus):
    other = versus([each - 5 for each in CLOSE], environment={"id": "Pendulum-v1"})
    assert other.differences == []
    assert other.scores
    assert other.check_regression("best_return", 0) == (False, "the scores cannot be compared")
    comparison = versus(CLOSE)
    del comparison.candidate.seeds["final_return"]
    assert comparison.check_regression("final_return", 0) == (False, "not both revisions have it")


def test_the_interval_of_a_value_is_that_of_metrics_json(versus):
    comparison = versus(NOISY)
    settings = comparison.candidate.params["evaluate"]
    rng = generator(settings["seed"], Stream.BOOTSTRAP)
    level, n_samples = settings["confidence_level"], settings["n_bootstrap_samples"]
    expected = bootstrap(np.array(NOISY), interquartile_mean, level, n_samples, rng)
    np.testing.assert_allclose(comparison.scores[0].candidate, expected)


def test_metrics_that_only_one_has_are_left_out(versus):
    comparison = versus(NOISY)
    del comparison.candidate.seeds["final_return"]
    again = Comparison(comparison.baseline, comparison.candidate)
    names = ["best_return", "environment_steps_to_solve", "episodes_to_solve"]
    assert [score.metric.name for score in again.scores] == names
