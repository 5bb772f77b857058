"""A short form of the simulation; the shares themselves are in benchmarks/results/calibration.json."""

import importlib
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def calibration(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("calibration")


@pytest.mark.parametrize(("n", "correlation"), [(3, -0.3), (3, 0.0), (5, 0.3)])
def test_choosing_whether_to_pair_raises_no_more_false_alarms_than_the_level_allows(calibration, n, correlation):
    share = calibration.differences_found("chosen", "normal", n, correlation, 0.0, n_trials=2000, n_samples=200)
    assert share < 0.08  # to take the narrower interval reaches 8.3 %


def test_choosing_is_about_as_powerful_as_the_better_of_pairing_and_not_pairing(calibration):
    for correlation in (0.0, 0.9):
        never, always, chosen = (
            calibration.differences_found(pairing, "normal", 5, correlation, calibration.EFFECT, 300, 200)
            for pairing in calibration.PAIRINGS
        )
        assert chosen > max(never, always) - 0.05
        assert abs(never - always) > 0.05


@pytest.mark.parametrize("shape", ["normal", "exponential"])
def test_values_and_probabilities_miss_as_seldom_as_the_level_allows(calibration, shape):
    assert calibration.value_misses("interquartile mean", shape, 5, 600, 200) < 0.07
    assert calibration.improvement_misses(shape, 5, 0.0, 0, 600) < 0.07


@pytest.mark.parametrize("shape", ["normal", "exponential"])
def test_what_is_true_of_the_scores_is_known(calibration, shape):
    a, b = np.stack(list(calibration.pairs(shape, 1000, 0.5, 100, np.random.default_rng(0))), axis=1)
    assert (a.std(), b.std()) == pytest.approx((1, 1), abs=0.02)
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] == pytest.approx(0.5, abs=0.1)
    for name, statistic in calibration.STATISTICS.items():
        assert statistic(a.ravel()) == pytest.approx(calibration.TRUTH[name, shape], abs=0.02)
    others = np.random.default_rng(1).permutation(b.ravel())
    assert (others + 1 > a.ravel()).mean() == pytest.approx(calibration.IMPROVEMENT[shape], abs=0.01)
