import numpy as np
import pytest

from ddpg.algorithm.noise import GaussianNoise, OrnsteinUhlenbeckNoise


def test_follows_its_recursion():
    noise = OrnsteinUhlenbeckNoise(2, mu=1.0, theta=0.25, sigma=0.5, rng=np.random.default_rng(3))
    draws = np.random.default_rng(3)
    x = np.ones(2)
    for _ in range(5):
        x = x + 0.25 * (1.0 - x) + 0.5 * draws.standard_normal(2)
        np.testing.assert_array_equal(noise.sample(), x)


@pytest.mark.parametrize(("theta", "sigma"), [(0.05, 0.25), (0.3, 0.5), (1.0, 0.2)])
def test_has_its_stationary_deviation_and_correlation(theta, sigma):
    noise = OrnsteinUhlenbeckNoise(500, mu=0.0, theta=theta, sigma=sigma, rng=np.random.default_rng(0))
    samples = np.array([noise.sample() for _ in range(600)])[200:]
    assert samples.mean() == pytest.approx(0, abs=0.02)
    assert samples.std() == pytest.approx(sigma / np.sqrt(theta * (2 - theta)), rel=0.02)
    lag_one = np.mean(samples[1:] * samples[:-1]) / np.mean(samples**2)
    assert lag_one == pytest.approx(1 - theta, abs=0.01)


def test_reset_returns_to_the_mean():
    noise = OrnsteinUhlenbeckNoise(1, mu=0.7, theta=0.0, sigma=0.0, rng=np.random.default_rng(0))
    noise.state += 5
    noise.reset()
    assert noise.sample() == 0.7


def test_gaussian_noise_has_its_deviation_and_no_correlation():
    noise = GaussianNoise(500, sigma=0.3, rng=np.random.default_rng(0))
    samples = np.array([noise.sample() for _ in range(400)])
    assert samples.mean() == pytest.approx(0, abs=0.005)
    assert samples.std() == pytest.approx(0.3, rel=0.01)
    assert np.mean(samples[1:] * samples[:-1]) / np.mean(samples**2) == pytest.approx(0, abs=0.01)


def test_gaussian_noise_goes_on_from_its_state():
    noise, restored = (GaussianNoise(3, sigma=0.3, rng=np.random.default_rng(seed)) for seed in (0, 1))
    noise.sample()
    restored.load_state_dict(noise.state_dict())
    np.testing.assert_array_equal(restored.sample(), noise.sample())
