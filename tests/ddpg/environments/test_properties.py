"""Made-up environments of all kinds: what is stored is what happened, and what is wrong is named."""

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpg.environments.contract import check
from ddpg.environments.interface import UnsuitableEnvironmentError, prepare
from ddpg.environments.running_statistics import state_dict
from ddpg.evaluation.rollouts import run_episodes
from tests.ddpg.environments.test_running_statistics import bits

SHAPES = st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple)
FLOATS = st.sampled_from([np.float32, np.float64])
BOUNDS = st.tuples(st.floats(-1000, 999, width=32), st.floats(0.0625, 1000, width=32)).map(
    lambda drawn: (drawn[0], drawn[0] + drawn[1])
)


class MadeUp(gym.Env):
    """Walks at random; remembers what it returned and received, and may reuse its arrays and change its actions."""

    def __init__(self, observation_space, action_space, length, terminates, reuses, fault=None, at=0):
        self.observation_space, self.action_space = observation_space, action_space
        self.length, self.terminates, self.reuses = length, terminates, reuses
        self.fault, self.at = fault, at
        self.state = np.zeros(observation_space.shape, observation_space.dtype)
        self.shown, self.received = [], []

    def _show(self):
        self.state[...] = self.np_random.uniform(0, 100, self.state.shape)
        self.shown.append(self.state.astype(np.float32).ravel())
        shown = self.state if self.reuses else self.state.copy()
        return self.fault(shown) if self.fault and self.n_steps >= self.at else shown

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.n_steps = 0
        self.shown, self.received = [], []
        return self._show(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.received.append(action.astype(np.float32).ravel())
        action *= 0.5
        self.n_steps += 1
        ended = self.n_steps >= self.length
        return self._show(), -1.0, ended and self.terminates, ended and not self.terminates, {}


@st.composite
def made_up(draw, **options):
    shape, dtype = draw(SHAPES), draw(st.sampled_from([np.float32, np.float64, np.uint8, np.int64]))
    low, high = (
        (0, 255) if dtype == np.uint8 else draw(st.sampled_from([(-np.inf, np.inf), (0.0, 100.0), (0.0, np.inf)]))
    )
    observations = (
        gym.spaces.Box(low, high, shape, dtype)
        if np.isfinite([low, high]).all() or dtype in (np.float32, np.float64)
        else gym.spaces.Box(0, 100, shape, dtype)
    )
    actions = gym.spaces.Box(*draw(BOUNDS), draw(SHAPES), draw(FLOATS))
    return MadeUp(observations, actions, draw(st.integers(1, 12)), draw(st.booleans()), draw(st.booleans()), **options)


def policy_of(space, seed):
    rng = np.random.default_rng(seed)
    low, high = space.low.ravel(), space.high.ravel()
    return lambda observations: np.asarray(
        [rng.choice([low, high, rng.uniform(low, high)]) for _ in observations], np.float32
    )


@settings(max_examples=300, deadline=None, derandomize=True)
@given(env=made_up(), action_repeat=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_an_episode_is_stored_as_it_happened(env, action_repeat, seed):
    prepare(env)
    assert check(env) == []
    (episode,) = run_episodes(policy_of(env.action_space, seed), [env], [seed], action_repeat)
    ends = [*range(0, env.n_steps, action_repeat), env.n_steps]
    np.testing.assert_array_equal(episode.observations, np.stack([env.shown[i] for i in ends]))
    assert env.n_steps == episode.environment_steps == env.length
    held = np.repeat(episode.actions, action_repeat, axis=0)[: env.n_steps]
    # Rounding to float32 may lead beyond bounds of float64, by less than its precision.
    np.testing.assert_allclose(np.stack(env.received), held, rtol=1e-6)
    assert (episode.terminated, episode.truncated) == (env.terminates, not env.terminates)
    assert not np.shares_memory(episode.observations, env.state)


FAULTS = {
    "of another size": lambda shown: np.append(shown, 0),
    "not finite": lambda shown: np.full(shown.shape, np.nan),
    "a text": lambda shown: "observation",
    "missing": lambda shown: None,
    "a mapping": lambda shown: {"observation": shown},
}


@settings(max_examples=60, deadline=None, derandomize=True)
@pytest.mark.parametrize("fault", FAULTS)
@given(data=st.data())
def test_an_observation_that_is_wrong_is_named_also_if_it_comes_late(fault, data):
    at = data.draw(st.integers(0, 8))
    env = data.draw(made_up(fault=FAULTS[fault], at=at))
    env.length = max(env.length, at + 1)
    with pytest.raises(UnsuitableEnvironmentError, match=r"^environment: (reset|step): expected .*observation"):
        check(env)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(env=made_up(), seed=st.integers(0, 2**32 - 1))
def test_running_statistics_are_frozen_in_measured_episodes_and_restored(env, seed):
    wrapped = gym.wrappers.NormalizeReward(gym.wrappers.NormalizeObservation(env))
    assert check(wrapped) == []
    wrapped.reset(seed=seed)
    state = bits(state_dict(wrapped))
    first, again = (run_episodes(policy_of(env.action_space, seed), [wrapped], [seed], 1)[0] for _ in range(2))
    np.testing.assert_array_equal(first.observations, again.observations)
    assert first.rewards.tolist() == [-1.0] * env.length
    assert bits(state_dict(wrapped)) == state
