import json

import numpy as np
import pytest

from ddpg.algorithm.learner import Learner
from ddpg.algorithm.policy import Policy
from ddpg.algorithm.saved_agent import Description, write_description
from ddpg.algorithm.scaling import BoxScaler
from ddpg.config import AgentConfig

OBSERVATIONS = BoxScaler([-1.2, -np.inf], [0.6, np.inf])
ACTIONS = BoxScaler([-2.0], [1.0])


def saved(folder, **changes):
    """A learner whose batch-norm statistics are not those of the start, saved."""
    config = AgentConfig(hidden_layer_sizes_actor=(5, 4), replay_batch_size=8, **changes)
    learner = Learner(2, 1, config, np.random.default_rng(3))
    if config.bn_momentum_actor:
        learner.update(np.random.default_rng(0).normal(size=(8, 7)).astype(np.float32))
    learner.save_weights(folder)
    write_description(folder, Description(config, OBSERVATIONS, ACTIONS))
    return learner


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"activation_fn_actor": "sigmoid"},
        {"bn_momentum_actor": 0.5},
        {"bn_momentum_actor": 0.5, "bn_observations": True, "layer_norm_actor": True},
    ],
    ids=str,
)
def test_is_the_keras_actor(tmp_path, changes):
    learner = saved(tmp_path, **changes)
    observations = np.random.default_rng(1).uniform(-1, 0.5, (20, 2)).astype(np.float32)
    scaled = learner.networks()["actor"](OBSERVATIONS.scale(observations)).numpy()
    live = Policy(
        Description(AgentConfig(hidden_layer_sizes_actor=(5, 4), **changes), OBSERVATIONS, ACTIONS),
        *learner.actor_weights(),
    )
    for policy in (live, Policy.load(tmp_path)):
        np.testing.assert_allclose(policy(observations), -0.5 + 1.5 * scaled, atol=1e-5)
        np.testing.assert_allclose(policy(observations[0]), policy(observations)[0], atol=1e-6)


def test_names_what_is_missing_or_damaged(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.json: expected a saved agent"):
        Policy.load(tmp_path)
    saved(tmp_path)
    weights = tmp_path / "actor.weights.h5"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"actor\.weights\.h5: expected the weights"):
        Policy.load(tmp_path)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"actor\.weights\.h5"):
        Policy.load(tmp_path)


def test_refuses_weights_of_another_configuration(tmp_path):
    saved(tmp_path)
    document = json.loads((tmp_path / "config.json").read_text())
    document["agent"]["hidden_layer_sizes_actor"] = [5, 6]
    (tmp_path / "config.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"expected kernels of shape .*\(5, 6\).*, received .*\(5, 4\)"):
        Policy.load(tmp_path)
