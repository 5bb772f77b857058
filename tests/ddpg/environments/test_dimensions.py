import gymnasium
import pytest
from gymnasium.wrappers import FrameStackObservation

from ddpg.environments import dimensions
from ddpg.environments.dimensions import names_of, register, split_unit
from tests.probes import Counter

BOX = ["MountainCarContinuous-v0", "Pendulum-v1", "LunarLanderContinuous-v3", "BipedalWalker-v3", "QuadcopterHover-v0"]
MUJOCO = ["InvertedPendulum-v5", "InvertedDoublePendulum-v5", "Reacher-v5", "Hopper-v5", "HalfCheetah-v5"]


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(dimensions, "_NAMES", dict(dimensions._NAMES))


def checked(identifier):
    with gymnasium.make(identifier) as env:
        observations, actions = names_of(env)
        assert len(observations) == env.observation_space.shape[0]
        assert len(actions) == env.action_space.shape[0]
    assert "observation 0" not in observations
    assert len(set(observations)) == len(observations)
    assert max(map(len, [*observations, *actions])) <= 18


@pytest.mark.parametrize("identifier", BOX)
def test_names_every_dimension_of_gymnasiums_tasks_and_our_own(identifier):
    checked(identifier)


@pytest.mark.parametrize("identifier", MUJOCO)
def test_names_every_dimension_of_mujocos_tasks(identifier):
    pytest.importorskip("mujoco")
    checked(identifier)


def test_mujocos_names_are_in_gymnasiums_order():
    pytest.importorskip("mujoco")
    with gymnasium.make("HalfCheetah-v5") as env:
        joints = [env.unwrapped.model.joint(i).name for i in range(1, 9)]
        motors = [env.unwrapped.model.actuator(i).name for i in range(6)]
        observations, actions = names_of(env)
    assert joints[2:] == motors == ["bthigh", "bshin", "bfoot", "fthigh", "fshin", "ffoot"]
    legs = ["hind thigh", "hind shin", "hind foot", "fore thigh", "fore shin", "fore foot"]
    assert [split_unit(name)[0] for name in observations] == [
        *("height", "pitch", *legs),
        *("x velocity", "z velocity", "pitch", *legs),
    ]
    assert actions == tuple(f"{each} torque" for each in legs)


def test_numbers_are_names_where_there_are_no_others():
    assert names_of(Counter()) == (("observation 0", "observation 1"), ("action 0", "action 1"))


def test_the_longest_registered_prefix_names_an_environment(registry):
    register("Mountain", ["m", "v"], ["f"])
    env = gymnasium.make("MountainCarContinuous-v0")
    assert names_of(env) == (("position", "velocity"), ("force",))
    register("MountainCarContinuous-v0", ["x (m)", "v (m/step)"], ["push"])
    assert names_of(env) == (("x (m)", "v (m/step)"), ("push",))


def test_the_environments_own_names_come_first(registry):
    class Named(Counter):
        metadata = Counter.metadata | {"observation_names": ("a", "b"), "action_names": ["c", "d"]}
        spec = gymnasium.spec("Pendulum-v1")

    register("Pendulum", ["e", "f"], ["g", "h"])
    assert names_of(Named()) == (("a", "b"), ("c", "d"))


def test_names_of_other_dimensions_are_passed_over():
    env = FrameStackObservation(gymnasium.make("QuadcopterHover-v0"), 2)
    assert names_of(env).observations[25] == "observation 25"


@pytest.mark.parametrize(("name", "parts"), [("speed (m/s)", ("speed", "m/s")), ("left leg", ("left leg", ""))])
def test_a_name_can_be_parted_from_its_unit(name, parts):
    assert split_unit(name) == parts
