import random

import gymnasium
import numpy as np
import pandas as pd
import pytest

from ddpg import DDPG
from ddpg.environments.contract import EnvironmentWarning, check, check_made
from ddpg.environments.interface import UnsuitableEnvironmentError, prepare
from tests.probes import Counter


def broken(reset=None, step=None):
    """A `Counter` whose returned values are changed by these functions."""

    class Broken(Counter):
        def reset(self, *, seed=None, options=None):
            returned = super().reset(seed=seed)
            return reset(*returned) if reset else returned

        def step(self, action):
            returned = super().step(action)
            return step(*returned) if step else returned

    return Broken()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reset": lambda obs, info: obs}, r"reset: expected \(observation, info\), received an array"),
        ({"reset": lambda obs, info: (obs[:1], info)}, r"reset: expected an observation of shape \(2,\)"),
        (
            {"reset": lambda obs, info: (obs * np.nan, info)},
            r"reset: expected a finite observation, received \[nan nan",
        ),
        ({"reset": lambda obs, info: ({"x": 1}, info)}, "reset: expected an observation of numbers"),
        ({"step": lambda obs, reward, *rest: (obs, reward, True, {})}, "step: expected .*, received 4 values"),
        ({"step": lambda obs, *rest: (np.tile(obs, 2), *rest)}, r"step: expected an observation of shape \(2,\)"),
        (
            {"step": lambda obs, reward, *rest: (obs, np.array([reward]), *rest)},
            "reward, received an array of type",
        ),
        ({"step": lambda obs, reward, *rest: (obs, None, *rest)}, "a finite number as reward, received None"),
        ({"step": lambda obs, reward, *rest: (obs, np.inf, *rest)}, "a finite number as reward, received inf"),
        ({"step": lambda obs, reward, end, cut, info: (obs, reward, 2, cut, info)}, "a bool as terminated, received 2"),
        ({"step": lambda obs, reward, end, cut, info: (obs, reward, end, None, info)}, "truncated, received None"),
        (
            {"step": lambda obs, reward, end, cut, info: (obs, reward, np.array([end]), cut, info)},
            "a bool as terminated, received an array",
        ),
        ({"step": lambda obs, reward, *rest: (obs, {"speed": reward}, *rest)}, "as reward, received {'speed': 1.0}"),
        ({"step": lambda *rest: (*rest[:4], {"is_success": "yes"})}, r"info\[\"is_success\"\], received 'yes'"),
        ({"step": lambda *rest: (*rest[:4], {"is_success": np.array([True, False])})}, r"info\[\"is_success\"\]"),
        ({"step": lambda obs, *rest: (obs.astype(str), *rest)}, "an observation of numbers, .*, received an array"),
        ({"step": lambda obs, *rest: (obs + 1j, *rest)}, "an observation of numbers, .* type complex"),
        ({"step": lambda obs, *rest: (np.ma.masked_array(obs, [0, 1]), *rest)}, "an observation of numbers"),
    ],
)
def test_what_breaks_the_interface_is_named_before_any_work(change, message):
    with pytest.raises(UnsuitableEnvironmentError, match=message):
        check(broken(**change))


class Elsewhere(Counter):
    """Draws from a global generator."""

    def __init__(self, draw):
        super().__init__()
        self.draw = draw

    def _observation(self):
        return np.full(self.size, self.draw(), np.float32)


@pytest.mark.parametrize(
    ("draw", "name"),
    [(lambda: np.random.rand(), "numpy.random"), (lambda: random.random(), "random")],
    ids=["numpy", "python"],
)
def test_randomness_from_elsewhere_is_named_and_left_as_it_was(draw, name):
    np.random.seed(1)
    random.seed(1)
    expected = np.random.rand(), random.random()
    np.random.seed(1)
    random.seed(1)
    (problem,) = check(Elsewhere(draw))
    assert f"it draws from {name}, which reset(seed=...) does not seed" in problem
    assert (np.random.rand(), random.random()) == expected


def test_a_training_warns_once_of_an_environment_that_cannot_repeat():
    agent = DDPG(Elsewhere(lambda: np.random.rand()), replay_batch_size=8)
    with pytest.warns(EnvironmentWarning, match=r"draws from numpy\.random"):
        agent.train_n_episodes(1, n_validation_episodes=0)
    agent.train_n_episodes(1, n_validation_episodes=0)


def test_what_outlives_an_episode_is_found():
    class Remembering(Counter):
        def _observation(self):
            return np.full(self.size, len(self.seeds), np.float32)

    (problem,) = check(Remembering())
    assert problem.endswith("nothing may outlive an episode, as do Remembering.actions, Remembering.seeds")


@pytest.mark.parametrize("name", ["MountainCarContinuous-v0", "Pendulum-v1"])
def test_environments_of_gymnasium_keep_the_contract(name):
    assert check(prepare(gymnasium.make(name))) == []


def test_the_environment_itself_is_left_alone():
    env = Counter()
    assert check(env) == []
    assert (env.seeds, env.actions) == ([], [])


@pytest.mark.parametrize(
    "change",
    [
        {"step": lambda obs, reward, *rest: (obs, np.float32(reward), *rest)},
        {"step": lambda obs, reward, *rest: (obs, bool(reward), *rest)},
        {"step": lambda obs, reward, end, cut, info: (obs, reward, 0, np.array(cut), info)},
        {"step": lambda obs, *rest: (obs[None], *rest)},
        {"step": lambda obs, *rest: ([np.array(value) for value in obs], *rest)},
        {"step": lambda obs, *rest: (obs.astype(np.float16), *rest)},
        {"step": lambda *rest: (*rest[:4], {"is_success": np.array([True])})},
        {"step": lambda *rest: (*rest[:4], {"is_success": None})},
        {"step": lambda *rest: (*rest[:4], None)},
        {"reset": lambda obs, info: (obs.tolist(), info)},
    ],
)
def test_what_can_be_read_as_meant_is_accepted(change):
    assert check(broken(**change)) == []


def test_a_transposed_observation_is_named_and_a_flat_one_accepted():
    def observing(observation):
        env = broken(lambda obs, info: (observation, info), lambda obs, *rest: (observation, *rest))
        env.observation_space = gymnasium.spaces.Box(0, 100, (2, 3))
        return env

    assert check(observing(np.zeros(6))) == []
    with pytest.raises(UnsuitableEnvironmentError, match=r"of shape \(2, 3\), as its space says, received .* \(3, 2\)"):
        check(observing(np.zeros((3, 2))))


@pytest.mark.parametrize(
    "drawn", [random.random, np.random.rand, lambda: np.random.default_rng().random()], ids=["python", "numpy", "own"]
)
def test_environments_that_are_made_differently_each_time_are_named(drawn):
    class Drawn(Counter):
        def __init__(self):
            super().__init__()
            self.start = drawn()

        def _observation(self):
            return np.full(self.size, self.start + self.count, np.float32)

    (problem,) = check_made(Drawn)
    assert "expected two that are made with the same arguments to start and step alike" in problem
    assert check_made(Counter) == []


class Single(Counter):
    """There can be one at a time."""

    n_open = 0

    def __init__(self, size=2):
        super().__init__(size=size)
        self.observation_space = gymnasium.spaces.Box(0, 100, (2,))
        self.handle = (i for i in ())
        assert Single.n_open == 0
        Single.n_open += 1

    def close(self):
        Single.n_open -= 1


def test_environments_that_are_made_are_tried_themselves_one_after_the_other_and_closed():
    assert check_made(Single) == []
    with pytest.raises(UnsuitableEnvironmentError, match=r"received one of shape \(3,\)"):
        check_made(lambda: Single(size=3))
    assert Single.n_open == 0


def test_a_reset_without_seed_is_named():
    class Unseeded(Counter):
        def reset(self):
            return super().reset()

    with pytest.raises(UnsuitableEnvironmentError, match=r"reset: expected the keyword seed, received .*seed"):
        check(Unseeded())


def test_randomness_that_reset_seeds_globally_is_still_shared():
    class Global(Counter):
        def reset(self, *, seed=None, options=None):
            np.random.seed(seed)
            return super().reset(seed=seed)

        def _observation(self):
            return np.random.uniform(0, 100, self.size).astype(np.float32)

    (problem,) = check(Global())
    assert problem.endswith("numpy.random, which environments side by side share")


def test_what_only_looks_like_statistics_is_accepted():
    env = Counter()
    env.table = pd.Series([1.0, 2.0])
    assert check(env) == []


def test_an_attribute_named_env_is_no_wrapper():
    for simulator in (None, Counter()):
        env = Counter()
        env.env = simulator
        assert check(env) == []


def test_an_environment_that_cannot_be_copied_is_left_alone():
    env = Counter()
    env.handle = (i for i in ())
    assert check(env) == []
    assert (env.seeds, env.actions) == ([], [])
