import json

import numpy as np
import pytest

from ddpg.algorithm.saved_agent import Description, read_description, write_description
from ddpg.algorithm.scaling import BoxScaler, StandardizingScaler
from ddpg.config import AgentConfig

OBSERVATIONS = BoxScaler([-1.2, -np.inf], [0.6, np.inf])
ACTIONS = BoxScaler([-2.0], [1.0])


def test_description_survives_a_file(tmp_path):
    config = AgentConfig(lr_actor=0.002)
    write_description(tmp_path, Description(config, OBSERVATIONS, ACTIONS))
    again = read_description(tmp_path)
    assert again.config == config
    assert again.observations.low.tolist() == [-1.2, -np.inf]
    assert again.actions.high.tolist() == [1.0]
    largest = float(np.finfo(np.float32).max)
    unusual = BoxScaler([0, -largest, 3, -np.inf], [np.inf, largest, 3, 1])
    write_description(tmp_path, Description(config, unusual, ACTIONS))
    again = read_description(tmp_path)
    np.testing.assert_array_equal(again.observations.low, unusual.low)
    np.testing.assert_array_equal(again.observations.high, unusual.high)


@pytest.mark.parametrize(
    ("change", "reason"), [({"format": 99}, "expected format 1, received 99"), ({"agent": {"tau": 1}}, "tau")], ids=str
)
def test_an_unknown_description_is_rejected(tmp_path, change, reason):
    write_description(tmp_path, Description(AgentConfig(), OBSERVATIONS, ACTIONS))
    document = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(document | change))
    with pytest.raises(ValueError, match=reason):
        read_description(tmp_path)


def test_the_moments_of_observations_survive_a_file_bit_for_bit(tmp_path):
    config = AgentConfig(observation_normalization="standardize")
    values = np.random.default_rng(0).normal(0.1, 3, (50, 2))
    observations = StandardizingScaler(OBSERVATIONS.low, OBSERVATIONS.high).after(values)
    write_description(tmp_path, Description(config, observations, ACTIONS))
    np.testing.assert_array_equal(read_description(tmp_path).observations.scale(values), observations.scale(values))
    document = json.loads((tmp_path / "config.json").read_text())
    for change in ({"mean": [0.0]}, {"mean": ["x", 0]}, {"number": 1}):
        damaged = document | {"observation_moments": document["observation_moments"] | change}
        (tmp_path / "config.json").write_text(json.dumps(damaged))
        with pytest.raises(ValueError, match="expected a saved agent's description"):
            read_description(tmp_path)
