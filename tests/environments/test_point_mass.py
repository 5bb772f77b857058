import gymnasium
import numpy as np
import pytest

from ddpg.environments.contract import check
from ddpg.environments.interface import prepare
from ddpg.environments.pictures import check_frames
from pipeline.params import load
from tests.pipeline.small import write_params

ID = "environments:PointMass-v0"


def test_the_example_keeps_the_contract_and_can_be_filmed():
    with gymnasium.make(ID, render_mode="rgb_array") as env:
        assert check(prepare(env)) == []
        check_frames(env)


def test_the_example_is_valid_in_the_projects_parameters(tmp_path):
    write_params(tmp_path, environment={"id": ID})
    assert load(tmp_path / "params.yaml").environment.id == ID


def test_a_force_moves_the_mass_and_braking_in_the_middle_is_a_success():
    env = gymnasium.make(ID).unwrapped
    env.state = np.array([0.5, 0.0], np.float32)
    observation, reward, *_, info = env.step(np.array([-1.0], np.float32))
    assert observation.tolist() == pytest.approx([0.49, -0.1])
    assert reward == pytest.approx(-(0.49**2) - 0.01)
    assert not info["is_success"]
    env.state = np.array([0.05, 0.0], np.float32)
    assert env.step(np.zeros(1, np.float32))[-1]["is_success"]
