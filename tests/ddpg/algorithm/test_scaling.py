import numpy as np

from ddpg.algorithm.scaling import BoxScaler


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
