import numpy as np
import pytest

from ddpg.training.validation import may_be_better, race

BEST = np.array([90.0, 92, 91, 93, 90, 92, 91, 93])


def raced(returns, best, first_heat=2):
    """What a race returns, and the start states of each of its heats."""
    heats = []

    def run(heat):
        heats.append(list(heat))
        return returns[heat.start : heat.stop]

    return race(run, len(returns), first_heat, best), heats


@pytest.mark.parametrize(
    ("returns", "n_run"),
    [
        (BEST + 0.1, 8),
        (BEST - 1, 2),  # worse by the same everywhere
        (BEST + np.array([1, 1, -20, -20, 1, 1, 1, 1]), 8),  # the difference of the first four is too uncertain
        (BEST + np.array([1, 1, -20, -20.1, -20, -20, -20, -20]), 8),
        (BEST + np.array([0.5, 0.4, -9, -9, -9.1, -9, -9.2, -9]), 8),
        (BEST - np.array([3, 3.1, 3, 3, 3, 3, 3, 3]), 2),
    ],
)
def test_a_policy_retires_once_it_is_clearly_worse_than_the_best(returns, n_run):
    raced_returns, heats = raced(returns, BEST)
    assert raced_returns.tolist() == returns[:n_run].tolist()
    assert [len(heat) for heat in heats] == ([2, 2, 4] if n_run == 8 else [2])


def test_without_a_best_policy_or_a_first_heat_all_episodes_are_run():
    assert raced(BEST, None)[1] == [[0, 1], [2, 3], [4, 5, 6, 7]]
    assert raced(BEST - 50, BEST, first_heat=0)[1] == [list(range(8))]
    assert raced(BEST - 50, BEST, first_heat=99)[1] == [list(range(8))]


def test_the_last_heat_has_what_is_left():
    assert [len(heat) for heat in raced(BEST, None, first_heat=3)[1]] == [3, 3, 2]


def test_the_best_ones_returns_of_fewer_start_states_say_nothing():
    assert may_be_better(BEST - 50, BEST[:4])
    assert not may_be_better(BEST - 50, BEST)


def test_one_that_never_fails_overtakes_the_best_whose_first_episodes_went_a_little_better():
    best, steady = np.full(200, 98.9), np.full(200, 98.4)
    best[100:117] = 0
    assert len(raced(steady, best, first_heat=10)[0]) == 200
    # But not where the best one fails only from start states that both have seen.
    best[:] = 98.9
    best[5] = 98.0
    assert len(raced(steady, best, first_heat=10)[0]) == 10


def test_rarely_is_the_better_one_of_two_retired():
    """Returns as of MountainCarContinuous: rare failures cost nearly all. The better policy fails in 1, not in 5 %."""
    rng = np.random.default_rng(0)

    def policy(failures):
        return np.where(rng.random(200) < failures, 0.0, rng.normal(96, 1, 200))

    lost = 0
    for _ in range(500):
        best, better = policy(0.05), policy(0.01)
        lost += len(raced(better, best, first_heat=10)[0]) < 200 and better.mean() > best.mean()
    assert lost <= 0.05 * 500
