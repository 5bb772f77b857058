import numpy as np
import pytest

from ddpg.algorithm.scaling import BoxScaler, Moments, StandardizingScaler


def test_maps_bounds_to_one_and_back():
    scaler = BoxScaler([-1.2, -0.07], [0.6, 0.07])
    np.testing.assert_allclose(
        scaler.scale(np.array([[-1.2, -0.07], [0.6, 0.07], [-0.3, 0.0]])).T, [[-1, 1, 0]] * 2, atol=1e-6
    )
    points = np.random.default_rng(0).uniform(scaler.low, scaler.high, (100, 2))
    np.testing.assert_allclose(scaler.unscale(scaler.scale(points)), points, rtol=1e-5, atol=1e-7)


def test_unbounded_dimensions_pass_unchanged():
    largest = np.finfo(np.float32).max
    scaler = BoxScaler([-np.inf, -largest, 0, -4, 3], [np.inf, largest, np.inf, 4, 3])
    values = np.array([5.0, -6.0, 7.0, 2.0, 3.0], np.float32)
    np.testing.assert_array_equal(scaler.scale(values), [5, -6, 7, 0.5, 3])
    np.testing.assert_array_equal(scaler.unscale(scaler.scale(values)), values)
    assert scaler.bounded.tolist() == [False, False, False, True, False]


def test_gives_single_precision():
    assert BoxScaler([0], [1]).scale(np.array([0.5])).dtype == np.float32


def test_no_bound_is_passed_by_rounding():
    rng = np.random.default_rng(0)
    for _ in range(300):
        low, high = np.sort(rng.normal(size=(2, 3)), axis=0).astype(np.float32)
        scaler = BoxScaler(low, high)
        assert (scaler.unscale(np.full(3, -1.0)) >= low).all()
        assert (scaler.unscale(np.full(3, 1.0)) <= high).all()


def test_standardises_by_the_moments_of_all_values_seen_however_they_came():
    values = np.random.default_rng(0).normal([3, -500], [0.01, 70], (400, 2)).astype(np.float32)
    scaler = StandardizingScaler([-np.inf, -1000], [np.inf, 1000])
    for part in np.split(values, [1, 7, 150]):
        scaler = scaler.after(part)
    boxed = BoxScaler(scaler.low, scaler.high).scale(values)
    np.testing.assert_allclose(scaler.moments.mean, boxed.mean(axis=0, dtype=float), rtol=1e-12)
    np.testing.assert_allclose(scaler.moments.deviation, boxed.std(axis=0, dtype=float), rtol=1e-3)
    scaled = scaler.scale(values)
    np.testing.assert_allclose([scaled.mean(axis=0), scaled.std(axis=0)], [[0, 0], [1, 1]], atol=1e-3)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaler.standardize(boxed), scaled)
    np.testing.assert_allclose(scaler.unscale(scaled), values, rtol=1e-5)


def test_nothing_is_more_than_ten_deviations_from_the_mean():
    scaler = StandardizingScaler([-np.inf] * 2, [np.inf] * 2).after(np.array([[1.0, 5.0], [-1.0, 5.0]]))
    np.testing.assert_allclose(scaler.scale(np.array([9.0, 5.0])), [9, 0], rtol=1e-6)
    np.testing.assert_array_equal(scaler.scale(np.array([11.0, 6.0])), [10, 10])
    np.testing.assert_array_equal(scaler.scale(np.array([-1e9, 4.0])), [-10, -10])


def test_a_standardising_scaler_does_not_change_and_begins_as_its_box():
    scaler, values = StandardizingScaler([0, 0], [4, 8]), np.array([[1.0, 2.0], [3.0, 5.0]])
    scaler.after(values)
    np.testing.assert_array_equal(scaler.scale(values), BoxScaler([0, 0], [4, 8]).scale(values))


def test_moments_of_another_size_are_rejected():
    with pytest.raises(ValueError, match=r"moments: expected shape \(2,\), received \(3,\)"):
        StandardizingScaler([0, 0], [1, 1], Moments.of_nothing(3))
