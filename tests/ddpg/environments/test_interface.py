import re
import warnings

import gymnasium
import numpy as np
import pytest

from ddpg import DDPG
from ddpg.environments.interface import (
    EndlessEpisodeError,
    UnsuitableEnvironmentError,
    flat_observation,
    hold_action,
    prepare,
    reward_threshold,
    scaler_of,
    start,
)
from tests.probes import Counter


@pytest.mark.parametrize(
    ("spaces", "reason"),
    [
        ({"action_space": gymnasium.spaces.Discrete(3)}, r"action space: expected a Box .* received Discrete\(3\)"),
        ({"observation_space": gymnasium.spaces.Discrete(3)}, "observation space: expected a Box"),
        ({"action_space": gymnasium.spaces.Box(-np.inf, 1, (1,))}, "finite bounds, low < high, received Box"),
        ({"action_space": gymnasium.spaces.Box(np.zeros(2, "f"), np.array([1, 0], "f"))}, "low < high, received Box"),
        ({"action_space": gymnasium.spaces.Box(0, 3, (1,), np.int64)}, "real numbers"),
        ({"action_space": gymnasium.spaces.Box(-1, 1, (0,))}, "at least one dimension"),
    ],
)
def test_refuses_unsuitable_spaces_by_name(spaces, reason):
    env = Counter()
    vars(env).update(spaces)
    with pytest.raises(UnsuitableEnvironmentError, match=reason):
        prepare(env)


def test_refuses_what_is_no_environment():
    with pytest.raises(UnsuitableEnvironmentError, match="received str without 'reset'"):
        prepare("MountainCarContinuous-v0")


def test_holds_an_action_and_sums_its_rewards():
    env = Counter(length=7, terminates=True, prize=100.0)
    env.reset()
    action = np.array([0.5, 3.0], np.float32)
    first, second = hold_action(env, action, 5), hold_action(env, action, 5)
    assert (first.reward, first.environment_steps, first.terminated) == (5.0, 5, False)
    assert (second.reward, second.environment_steps, second.terminated, second.truncated) == (102.0, 2, True, False)
    np.testing.assert_array_equal(second.observation, [7, 7])
    assert len(env.actions) == 7


def test_flattens_observations_and_shapes_actions():
    env = Counter(length=3)
    env.observation_space = gymnasium.spaces.Box(0, 100, (2, 2), np.float64)
    env.action_space = gymnasium.spaces.Box(-1, 1, (2, 1), np.float64)
    env.reset()
    env.size = (2, 2)
    step = hold_action(prepare(env), np.array([0.5, -0.5], np.float32), 1)
    assert step.observation.shape == (4,)
    assert step.observation.dtype == np.float32
    assert env.actions[0].dtype == np.float64


def test_an_environment_may_change_its_own_observation_and_the_action_it_is_given():
    class InPlace(Counter):
        def reset(self, *, seed=None, options=None):
            self.state, _ = super().reset(seed=seed)
            return self.state, {}

        def step(self, action):
            _, *rest = super().step(action.copy())
            action *= 0.5
            self.state += 1
            return self.state, *rest

    env = InPlace()
    start = flat_observation(env.reset()[0])
    action = np.array([0.5, 3.0], np.float32)
    step = hold_action(env, action, 3)
    assert action.tolist() == [0.5, 3.0]
    assert [each.tolist() for each in env.actions] == [[0.5, 3.0]] * 3
    later = hold_action(env, action, 1)
    assert [each.tolist() for each in (start, step.observation, later.observation)] == [[0, 0], [3, 3], [4, 4]]


def test_actions_lie_in_bounds_of_double_precision():
    env = Counter()
    env.action_space = gymnasium.spaces.Box(-0.3, 0.3, (2,), np.float64)
    env.reset()
    hold_action(env, np.array([0.3, -0.3], np.float32), 2)  # as float32 beyond both
    assert [each.tolist() for each in env.actions] == [[0.3, -0.3]] * 2


def test_the_threshold_is_the_specifications():
    assert reward_threshold(gymnasium.make("MountainCarContinuous-v0")) == 90
    assert reward_threshold(Counter()) is None


def test_classic_gym_works_once_its_broken_checker_is_gone():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Its announcements that it is not maintained.
        import gym

        env = gym.make("MountainCarContinuous-v0")
    prepared = prepare(env)
    prepared.reset(seed=1)
    step = hold_action(prepared, np.array([1.0], np.float32), 5)
    assert step.environment_steps == 5
    assert step.reward == pytest.approx(-0.5)


def test_a_vector_of_environments_is_named():
    with pytest.raises(UnsuitableEnvironmentError, match="expected a single one, received a vector"):
        prepare(gymnasium.make_vec("Pendulum-v1", num_envs=2))


@pytest.mark.parametrize("train", [True, False])
def test_an_endless_episode_is_named(monkeypatch, train):
    monkeypatch.setattr("ddpg.environments.interface.MAX_EPISODE_STEPS", 30)
    agent = DDPG(Counter(length=99), replay_batch_size=8, learning_starts=500)
    with pytest.raises(EndlessEpisodeError, match="expected an end within 30 environment steps"):
        agent.train_n_episodes(1) if train else agent.test()


def test_an_environment_may_state_a_longer_limit(monkeypatch):
    monkeypatch.setattr("ddpg.environments.interface.MAX_EPISODE_STEPS", 30)
    env = gymnasium.make("Pendulum-v1", max_episode_steps=50)
    assert DDPG(env, replay_batch_size=8).test().n_steps == 50


@pytest.mark.parametrize(
    ("info", "is_success"),
    [
        ({}, None),
        ({"is_success": np.bool_(True)}, True),
        ({"is_success": 0.0}, False),
        ({"is_success": np.array([True])}, True),
        ({"is_success": np.array([True, False])}, None),
        ({"is_success": "no"}, None),
        ({"is_success": np.nan}, None),
        (None, None),
    ],
)
def test_success_is_what_the_info_of_the_last_step_says(info, is_success):
    env = Counter()
    env.reset()
    step = env.step
    env.step = lambda action: (*step(action)[:4], info)
    assert hold_action(env, np.array([0, 3], np.float32), 2).is_success is is_success


@pytest.mark.parametrize(
    ("late", "message"),
    [
        (lambda obs, reward: (obs[:1], reward), "step: expected an observation of 2 numbers, received one of 1"),
        (lambda obs, reward: ({"x": 1}, reward), "expected observations of numbers, received {'x': 1}"),
        (lambda obs, reward: (obs, None), "step: expected a finite number as reward, received None"),
        (lambda obs, reward: (obs, {"x": 1}), "step: expected a finite number as reward, received {'x': 1}"),
    ],
)
@pytest.mark.parametrize("train", [True, False])
def test_what_breaks_the_interface_after_the_trial_is_named_where_it_happens(late, message, train):
    class Late(Counter):
        def step(self, action):
            observation, reward, *rest = super().step(action)
            return *(late(observation, reward) if self.count > 20 else (observation, reward)), *rest

    agent = DDPG(Late(length=30), replay_batch_size=8, learning_starts=500)
    with pytest.raises(UnsuitableEnvironmentError, match=re.escape(message)):
        agent.train_n_episodes(1) if train else agent.test()


def test_a_start_of_another_size_is_named():
    env = Counter(size=3)
    env.observation_space = gymnasium.spaces.Box(0, 100, (2,))
    with pytest.raises(
        UnsuitableEnvironmentError, match="reset: expected an observation of 2 numbers, received one of 3"
    ):
        start(env, seed=1)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.uint64])
def test_integers_without_bounds_are_not_scaled_away(dtype):
    limits = np.iinfo(dtype)
    space = gymnasium.spaces.Box(limits.min, limits.max, (2,), dtype)
    assert scaler_of(space).scale(np.array([3, 4])).tolist() == [3, 4]
    assert not scaler_of(gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.int64)).bounded.any()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float16, np.float64])
def test_bounds_of_any_type_are_scaled_to_one(dtype):
    low, high = (0, 255) if dtype == np.uint8 else (-1000, 1000)
    scaled = scaler_of(gymnasium.spaces.Box(low, high, (1,), dtype)).scale(np.array([[low], [high]]))
    assert scaled.tolist() == [[-1], [1]]


def test_an_observation_may_be_a_list_that_is_used_again():
    class Reusing(Counter):
        def _observation(self):
            self.shown[:] = [self.count, -self.count]
            return self.shown

        shown = [0, 0]  # noqa: RUF012

    env = Reusing()
    first = start(env, seed=0)
    hold_action(env, np.array([0, 3], np.float32), 1)
    assert first.tolist() == [0, 0]
