import json
import re
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import NormalizeObservation, NormalizeReward
from gymnasium.wrappers.utils import RunningMeanStd

from ddpg.environments.contract import check, check_made
from ddpg.environments.copies import copies
from ddpg.environments.interface import UnsuitableEnvironmentError, hold_action
from ddpg.environments.running_statistics import FILE, frozen, load_state_dict, restore, save, state_dict
from ddpg.files import DamagedFileError
from tests.probes import Counter

ACTION = np.array([0.5, 3.0], np.float32)


def steps(env, n=4, seed=0):
    """The observations and rewards of some steps."""
    shown = [env.reset(seed=seed)[0]]
    for _ in range(n):
        observation, reward, *_ = env.step(ACTION)
        shown += [observation, np.float64(reward)]
    return [np.asarray(each, np.float32).tolist() for each in shown]


def bits(state):
    """A state with the types of its numbers, and their bytes."""
    return {
        name: {
            path: (type(value), np.asarray(value).dtype, np.asarray(value).tobytes()) for path, value in values.items()
        }
        for name, values in state.items()
    }


class Own(gym.Wrapper):
    """Shifts observations by a running mean that it holds in this way."""

    def __init__(self, env, hold=lambda statistics: statistics, scale=1.0):
        super().__init__(env)
        self.hold = hold(RunningMeanStd(shape=(2,)))
        self._scale = scale

    @property
    def statistics(self):
        held = self.hold
        return held["obs"] if isinstance(held, dict) else held[0] if isinstance(held, list) else held

    def _shift(self, observation):
        self.statistics.update(observation[None])
        return (self._scale * (observation - self.statistics.mean)).astype(np.float32)

    def reset(self, **options):
        observation, info = super().reset(**options)
        return self._shift(observation), info

    def step(self, action):
        observation, *rest = super().step(action)
        return self._shift(observation), *rest


class Flagged(gym.ObservationWrapper):
    """Is its own statistics; a flag says whether they go on."""

    def __init__(self, env):
        super().__init__(env)
        self.mean, self.var, self.count = np.zeros(2), np.ones(2), 0
        self.update_running_mean = True

    def observation(self, observation):
        if self.update_running_mean:
            self.count += 1
            self.mean += (observation - self.mean) / self.count
        return (observation - self.mean).astype(np.float32)


def classic(env):
    with warnings.catch_warnings(action="ignore"):
        from gym.wrappers.normalize import RunningMeanStd as Classic
    return Own(env, lambda _: Classic(shape=(2,)))


WRAPPERS = {
    "gymnasium": NormalizeObservation,
    "own": Own,
    "in a dictionary": lambda env: Own(env, lambda statistics: {"obs": statistics}),
    "in a list": lambda env: Own(env, lambda statistics: [statistics]),
    "of classic gym": classic,
    "itself": Flagged,
    "inside another wrapper": lambda env: gym.wrappers.TimeLimit(NormalizeObservation(env), 50),
    "twice": lambda env: NormalizeObservation(NormalizeObservation(env)),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=list(WRAPPERS))
def test_frozen_statistics_are_used_but_not_changed_and_go_on_afterwards(wrap):
    env = wrap(Counter())
    steps(env)
    learned = bits(state_dict(env))
    with frozen([env]):
        first = steps(env)
        assert first == steps(env)
    assert bits(state_dict(env)) == learned
    assert first != steps(env)
    assert bits(state_dict(env)) != learned


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=list(WRAPPERS))
def test_saved_statistics_return_bit_for_bit_in_another_environment(tmp_path, wrap):
    env, other = wrap(Counter()), wrap(Counter())
    steps(env)
    state = state_dict(env)
    save(state, tmp_path)
    restore(other, tmp_path)
    assert bits(state_dict(other)) == bits(state)
    assert steps(other) == steps(env)
    assert bits(state_dict(other)) == bits(state_dict(env)) != bits(state), "the state is a copy"


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=list(WRAPPERS))
def test_environments_with_such_statistics_keep_the_contract_and_can_be_copied(wrap):
    env = wrap(Counter())
    assert check(env) == []
    steps(env)
    learned = bits(state_dict(env))
    first, second = copies(env, 2)
    assert first is not second
    assert [bits(state_dict(each)) for each in (env, first, second)] == [learned] * 3


def test_a_switch_that_was_off_stays_off():
    env = NormalizeObservation(Counter())
    env.update_running_mean = False
    with frozen([env]):
        pass
    assert env.update_running_mean is False


def test_statistics_thaw_after_an_error():
    env = NormalizeObservation(Counter())
    with pytest.raises(ZeroDivisionError), frozen([env]):
        raise ZeroDivisionError
    assert env.update_running_mean


@pytest.mark.parametrize(
    "outer", [lambda env: env, lambda env: gym.wrappers.TimeLimit(env, 50)], ids=["alone", "inside"]
)
def test_measured_rewards_are_in_the_environments_own_units(outer):
    normalized = NormalizeReward(Counter(prize=5.0))
    env = outer(normalized)
    env.reset(seed=0)
    learned = [hold_action(env, ACTION, 1).reward for _ in range(3)]
    state = bits(state_dict(env))
    with frozen([env]):
        env.reset(seed=0)
        assert [hold_action(env, ACTION, 1).reward for _ in range(6)] == [1.0] * 5 + [6.0]
    assert bits(state_dict(env)) == state, "nor has the discounted sum of rewards changed"
    assert learned[-1] != 1.0
    assert "step" not in vars(normalized)


def test_the_discounted_sum_of_rewards_is_saved_but_no_setting_of_a_wrapper_is():
    env = NormalizeReward(Counter(), gamma=0.5)
    steps(env)
    assert {path for values in state_dict(env).values() for path in values} == {
        "return_rms.mean", "return_rms.var", "return_rms.count", "discounted_reward",
    }  # fmt: skip
    assert state_dict(Own(Counter(), scale=2.0))["Own"].keys() == {"hold.mean", "hold.var", "hold.count"}


def test_plain_environments_have_none_and_leave_no_file(tmp_path):
    (tmp_path / FILE).write_text("of an earlier agent")
    save(state_dict(gym.make("MountainCarContinuous-v0")), tmp_path)
    assert list(tmp_path.iterdir()) == []
    restore(Counter(), tmp_path)


def test_statistics_of_other_wrappers_are_named():
    state = state_dict(NormalizeObservation(Counter()))
    expected = r"my_agent: expected an environment with .* in NormalizeObservation.obs_rms, received one .* in "
    with pytest.raises(UnsuitableEnvironmentError, match=expected + "no wrapper"):
        load_state_dict(Counter(), state, "my_agent")
    with pytest.raises(UnsuitableEnvironmentError, match=expected + r"Own\.hold"):
        load_state_dict(Own(Counter()), state, "my_agent")
    with pytest.raises(UnsuitableEnvironmentError, match="statistics in no wrapper, received"):
        load_state_dict(NormalizeObservation(Counter()), {})


def test_statistics_of_rewards_which_no_policy_sees_may_be_missing():
    load_state_dict(Counter(), state_dict(NormalizeReward(Counter())))
    load_state_dict(NormalizeReward(Counter()), {})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "\xff",
        '{"format": 2, "wrappers": {}}',
        '{"format": 1, "wrappers": []}',
        '{"format": 1, "wrappers": {"NormalizeObservation": 1}}',
        '{"format": 1, "wrappers": {"NormalizeObservation": {"obs_rms.mean": {"dtype": "x", "values": []}}}}',
    ],
)
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / FILE).write_text(content, encoding="latin-1")
    with pytest.raises(DamagedFileError, match=f"{FILE}: expected running statistics"):
        restore(NormalizeObservation(Counter()), tmp_path)


def test_the_file_can_be_read(tmp_path):
    env = NormalizeObservation(Counter())
    steps(env, n=1)
    save(state_dict(env), tmp_path)
    values = json.loads((tmp_path / FILE).read_text())["wrappers"]["NormalizeObservation"]
    assert values["obs_rms.mean"] == {"dtype": "float32", "values": pytest.approx([0.5, 0.5], abs=1e-3)}
    assert values["obs_rms.count"] == pytest.approx(2.0001)


def test_rewards_normalized_twice_are_in_own_units_too():
    env = NormalizeReward(NormalizeReward(Counter()))
    assert check(env) == []
    steps(env)
    with frozen([env]):
        assert steps(env, n=2)[2::2] == [1.0, 1.0]


class Unfreezable(gym.ObservationWrapper):
    def __init__(self, env):
        super().__init__(env)
        self.mean, self.var, self.count = np.zeros(2), np.ones(2), 0

    def observation(self, observation):
        self.count += 1
        return observation


class Welford(gym.ObservationWrapper):
    """Keeps statistics under other names."""

    def __init__(self, env):
        super().__init__(env)
        self.average, self.number = np.zeros(2), 0

    def observation(self, observation):
        self.number += 1
        self.average += (observation - self.average) / self.number
        return (observation - self.average).astype(np.float32)


class OfTheClass(gym.ObservationWrapper):
    """All instances have the same statistics."""

    running = RunningMeanStd(shape=(2,))

    def observation(self, observation):
        self.running.update(observation[None])
        return (observation - self.running.mean).astype(np.float32)


class ScalingRewards(gym.Wrapper):
    """Normalises rewards in a class of another name."""

    def __init__(self, env):
        super().__init__(env)
        self.returns = RunningMeanStd()

    def step(self, action):
        observation, reward, *rest = super().step(action)
        self.returns.update(np.array([reward]))
        return observation, reward / np.sqrt(self.returns.var), *rest


@pytest.mark.parametrize(
    ("wrapper", "named"),
    [
        (OfTheClass, r"expected the same episode .* as do OfTheClass\.running"),
        (ScalingRewards, r"expected rewards of one unit, .* statistics of ScalingRewards normalise"),
        (Unfreezable, r"expected running statistics that tests .* received Unfreezable\.count"),
        (
            Welford,
            r"expected the same episode .* nothing may outlive an episode, as do Welford\.average, Welford\.number",
        ),
    ],
)
def test_what_cannot_be_frozen_is_named(wrapper, named):
    (problem,) = check(wrapper(Counter()))
    assert re.search(named, problem)


def test_statistics_that_are_made_late_cannot_be_restored_in_another_process():
    class Lazy(gym.ObservationWrapper):
        def observation(self, observation):
            self.running = vars(self).get("running", RunningMeanStd(shape=(2,)))
            return observation

    (problem,) = check_made(lambda: Lazy(Counter()))
    assert "received Lazy.running.mean" in problem
