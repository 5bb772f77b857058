import numpy as np
import pytest

from ddpg.algorithm.action_value import ActionValue
from ddpg.algorithm.networks import make_critic
from ddpg.algorithm.saved_agent import Description, write_description
from ddpg.algorithm.scaling import BoxScaler
from ddpg.config import AgentConfig

OBSERVATIONS = BoxScaler([-1.2, -np.inf, 0.0], [0.6, np.inf, 2.0])
ACTIONS = BoxScaler([-2.0, 0.0], [1.0, 5.0])


def saved(folder, **changes):
    """A critic with weights and batch-norm statistics unlike those of the start, saved."""
    config = AgentConfig(**changes)
    rng = np.random.default_rng(3)
    critic = make_critic(3, 2, config, rng)
    critic.set_weights(
        [rng.uniform(-0.5 if array.ndim == 2 else 0.2, 1, array.shape) for array in critic.get_weights()]
    )
    critic.save_weights(folder / "critic.weights.h5")
    write_description(folder, Description(config, OBSERVATIONS, ACTIONS))
    return critic


FORMS = {
    "paths of one length": {"hidden_layer_sizes_critic": ((5, 4), (5, 4))},
    "a longer observation path": {"hidden_layer_sizes_critic": ((6, 5, 4), (4,))},
    "a longer action path": {"hidden_layer_sizes_critic": ((4,), (6, 5, 4)), "bn_momentum_critic": 0.0},
    "layers of one size": {"hidden_layer_sizes_critic": ((4, 4, 4), (4, 4))},
    "added, then activated": {"join_critic": "add", "hidden_layer_sizes_joint": (6, 5)},
    "the paper's": {
        "hidden_layer_sizes_critic": ((5,), ()),
        "join_critic": "concatenate",
        "hidden_layer_sizes_joint": (4,),
        "bn_observations": True,
    },
    "TD3's": {
        "hidden_layer_sizes_critic": ((), ()),
        "join_critic": "concatenate",
        "hidden_layer_sizes_joint": (5, 4),
        "bn_momentum_critic": 0.0,
    },
    "layer norm": {"layer_norm_critic": True, "join_critic": "add", "hidden_layer_sizes_joint": (6, 5)},
    "layer norm, activated twice": {"layer_norm_critic": True, "bn_observations": True},
}


@pytest.mark.parametrize("form", FORMS)
def test_is_the_keras_critic(tmp_path, form):
    critic = saved(tmp_path, relu_alpha_critic=0.2, dropout_critic=0.1, **FORMS[form])
    rng = np.random.default_rng(1)
    observations = rng.uniform([-1.2, -3, 0], [0.6, 3, 2], (20, 3)).astype(np.float32)
    actions = rng.uniform([-2, 0], [1, 5], (20, 2)).astype(np.float32)
    expected = critic([OBSERVATIONS.scale(observations), ACTIONS.scale(actions)]).numpy()[:, 0]
    assert expected.std() > 0.01
    action_value = ActionValue.load(tmp_path)
    np.testing.assert_allclose(action_value(observations, actions), expected, atol=1e-5)
    np.testing.assert_allclose(action_value(observations[0], actions[0]), expected[0], atol=1e-5)


def test_names_what_is_missing_or_damaged(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.json: expected a saved agent"):
        ActionValue.load(tmp_path)
    saved(tmp_path)
    weights = tmp_path / "critic.weights.h5"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"critic\.weights\.h5: expected the weights of the configured critic"):
        ActionValue.load(tmp_path)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"critic\.weights\.h5"):
        ActionValue.load(tmp_path)
    saved(tmp_path)
    other = AgentConfig(hidden_layer_sizes_critic=((16, 8), (16, 8)))
    write_description(tmp_path, Description(other, OBSERVATIONS, ACTIONS))
    with pytest.raises(ValueError, match=r"expected kernels of shape .*\(16, 8\).*, received .*\(16, 32\)"):
        ActionValue.load(tmp_path)
