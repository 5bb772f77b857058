import gymnasium
import numpy as np
import pytest
from gymnasium.envs.classic_control import Continuous_MountainCarEnv

from ddpg.environments.contract import check
from ddpg.environments.copies import MAX_COPIES, close_copies, copies, random_state, set_random_state
from ddpg.environments.interface import levels_of
from tests.probes import Counter


def test_copies_are_independent():
    registered = gymnasium.make("MountainCarContinuous-v0", render_mode="rgb_array")
    for env in (registered, Counter()):
        first, second = copies(env, 2)
        first.reset(seed=1)
        second.reset(seed=2)
        first.step(first.action_space.low)
        assert first.unwrapped is not second.unwrapped


class Uncopyable(gymnasium.Wrapper):
    """Neither a copy nor its specification makes it again."""

    def __init__(self, env, unknown):
        super().__init__(env)
        self.unknown = (i for i in unknown)


def test_what_can_be_copied_keeps_its_changes_and_what_cannot_is_made_again_or_serves_alone():
    changed = gymnasium.make("MountainCarContinuous-v0")
    changed.unwrapped.power = 0.5
    assert copies(changed, 1)[0].unwrapped.power == 0.5
    with_handle = gymnasium.make("MountainCarContinuous-v0")
    with_handle.unwrapped.handle = (i for i in ())
    again = copies(with_handle, 2)
    assert len({id(env.unwrapped) for env in [*again, with_handle]}) == 3
    wrapped = Uncopyable(gymnasium.make("MountainCarContinuous-v0"), [1])
    assert copies(wrapped, 5) == [wrapped]


def test_an_environment_that_cannot_be_copied_serves_alone():
    env = Counter()
    env.handle = (i for i in ())
    assert copies(env, 5) == [env]


SIMULATIONS = {}


class Simulated(Counter):
    """Its count is in a simulation that it knows by a handle, which a deep copy shares."""

    def __init__(self, **options):
        super().__init__(length=50, **options)
        self.handle = len(SIMULATIONS)
        SIMULATIONS[self.handle] = 0

    count = property(lambda self: SIMULATIONS[self.handle], lambda self, n: SIMULATIONS.update({self.handle: n}))


def test_deep_copies_that_share_a_simulation_are_made_from_the_specification(monkeypatch):
    spec = gymnasium.envs.registration.EnvSpec("Simulated-v0", entry_point=Simulated)
    monkeypatch.setitem(gymnasium.registry, "Simulated-v0", spec)
    registered = gymnasium.make("Simulated-v0")
    first, second = copies(registered, 2)
    assert len({each.unwrapped.handle for each in (registered, first, second)}) == 3
    alone = Simulated()
    assert copies(alone, 2) == [alone]


def test_an_environment_that_draws_from_elsewhere_is_copied_all_the_same():
    class Undisciplined(Counter):
        def _observation(self):
            return np.random.uniform(0, 100, self.size).astype(np.float32)

    assert len(copies(Undisciplined(), 3)) == 3


def test_there_are_not_more_copies_than_serve_side_by_side():
    assert len(copies(Counter(), 1000)) == MAX_COPIES


def test_the_state_of_a_random_generator_returns():
    env = Counter()
    env.reset(seed=3)
    state = random_state(env)
    drawn = env.np_random.random(5)
    set_random_state(env, state)
    np.testing.assert_array_equal(env.np_random.random(5), drawn)
    assert random_state(object()) is None
    set_random_state(object(), None)


def test_what_is_made_from_the_specification_has_to_start_alike():
    changed = gymnasium.make("MountainCarContinuous-v0")
    changed.unwrapped.handle = (i for i in ())  # which cannot be copied
    changed.unwrapped.power = 0.5
    assert copies(changed, 2) == [changed]


def test_copies_have_no_window_and_record_no_videos():
    windowed = gymnasium.wrappers.TimeLimit(Continuous_MountainCarEnv(render_mode="human"), 200)
    windowed.unwrapped.screen = None
    assert [each.unwrapped.render_mode for each in copies(windowed, 2)] == [None, None]


def test_recorders_are_left_out_wherever_they_are(tmp_path):
    class RecordVideo(gymnasium.Wrapper):
        """Stands for Gymnasium's, which needs a package for writing videos."""

    made = gymnasium.make("MountainCarContinuous-v0")
    for env in (RecordVideo(made), gymnasium.wrappers.TimeLimit(RecordVideo(RecordVideo(made)), 9)):
        (copied,) = copies(env, 1)
        assert "RecordVideo" not in str(copied)
        assert "RecordVideo" in str(env)


def test_checks_of_proper_use_are_left_out_and_the_time_limit_stays():
    env = gymnasium.wrappers.FlattenObservation(gymnasium.make("MountainCarContinuous-v0", max_episode_steps=3))
    (copied,) = copies(env, 1)
    assert [type(level).__name__ for level in levels_of(copied)] == [
        "FlattenObservation",
        "TimeLimit",
        "Continuous_MountainCarEnv",
    ]
    assert "PassiveEnvChecker" in str(env)
    for each in (env, copied):
        each.reset(seed=1)
    for _ in range(3):
        (observation, *rest), (of_copy, *rest_of_copy) = (each.step(np.ones(1, np.float32)) for each in (env, copied))
        np.testing.assert_array_equal(observation, of_copy)
        assert rest == rest_of_copy
    assert rest[2]


def test_a_generator_that_is_not_there_yet_is_left_to_the_environment():
    class Late:
        np_random = None

    set_random_state(Late(), Counter().np_random.bit_generator.state)
    assert Late.np_random is None


class Connected(Counter):
    """Opens a connection of its own, which a plain deep copy shares; its simulation lies behind it."""

    opened, closed = 0, []

    def __init__(self):
        super().__init__(length=50)
        Connected.opened += 1
        self.connection = Connected.opened
        SIMULATIONS[self.connection] = 0

    count = property(
        lambda self: SIMULATIONS[self.connection], lambda self, n: SIMULATIONS.update({self.connection: n})
    )

    def close(self):
        assert self.connection not in Connected.closed
        Connected.closed.append(self.connection)


@pytest.fixture
def connected(monkeypatch):
    """A registered environment with connections, of which it has the first."""
    monkeypatch.setattr(Connected, "opened", 0)
    monkeypatch.setattr(Connected, "closed", [])
    spec = gymnasium.envs.registration.EnvSpec("Connected-v0", entry_point=Connected)
    monkeypatch.setitem(gymnasium.registry, "Connected-v0", spec)
    return gymnasium.make("Connected-v0")


def n_open():
    return Connected.opened - len(Connected.closed)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_copies_are_closed_and_not_the_environment(connected, n):
    made = copies(connected, n)
    assert n_open() == 1 + n
    close_copies(connected, [*made, connected])
    assert n_open() == 1
    assert 1 not in Connected.closed


def test_copies_that_were_made_in_vain_are_closed(connected):
    connected.unwrapped.size = 1  # so that new ones start otherwise
    assert copies(connected, 3) == [connected]
    assert n_open() == 1


def test_a_trial_leaves_nothing_open(connected):
    assert check(connected) == []
    assert n_open() == 1


def test_the_window_of_an_environment_stays_open():
    class Windowed(Counter):
        render_mode = "human"
        windows = 1

        def close(self):
            Windowed.windows -= 1

    env = Windowed()
    close_copies(env, copies(env, 3))
    assert Windowed.windows == 1
