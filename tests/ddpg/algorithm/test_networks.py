import numpy as np
import pytest

from ddpg.algorithm.networks import make_actor, make_critic
from ddpg.config import AgentConfig

# The networks of the README.
CONFIG = AgentConfig()
JOINS = "add_activated", "add"


def rng(seed=0):
    return np.random.default_rng(seed)


def shapes(model):
    return [(layer.__class__.__name__, layer.output.shape[1:], layer.count_params()) for layer in model.layers]


def test_actor_has_the_layers_and_counts_of_the_readme():
    actor = make_actor(2, 1, CONFIG, rng())
    assert shapes(actor) == [
        ("InputLayer", (2,), 0),
        ("Dense", (16,), 48),
        ("LeakyReLU", (16,), 0),
        ("Dense", (32,), 544),
        ("LeakyReLU", (32,), 0),
        ("Dense", (16,), 528),
        ("LeakyReLU", (16,), 0),
        ("Dense", (1,), 17),
    ]
    assert actor.count_params() == 1137


def test_critic_has_the_layers_and_counts_of_the_readme():
    critic = make_critic(2, 1, CONFIG, rng())
    assert sorted(shapes(critic)) == sorted(
        [
            ("InputLayer", (2,), 0),
            ("InputLayer", (1,), 0),
            ("Dense", (16,), 48),
            ("Dense", (16,), 32),
            *[("LeakyReLU", (16,), 0)] * 2,
            *[("Dense", (32,), 544)] * 2,
            *[("LeakyReLU", (32,), 0)] * 2,
            ("Add", (32,), 0),
            ("LeakyReLU", (32,), 0),
            ("BatchNormalization", (32,), 128),
            ("Dense", (1,), 33),
        ]
    )
    assert critic.count_params() == 1329
    assert sum(variable.value.numpy().size for variable in critic.trainable_variables) == 1265


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_both_activations_reach_both_bounds(activation):
    actor = make_actor(2, 1, CONFIG.model_copy(update={"activation_fn_actor": activation}), rng())
    kernel, bias = actor.get_layer("actions").weights
    kernel.assign(np.zeros_like(kernel))
    for value, action in ((-30, -1), (0, 0), (30, 1)):
        bias.assign([value])
        np.testing.assert_allclose(actor(np.zeros((1, 2))), [[action]], atol=1e-6)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_only_hidden_kernels_are_penalised(activation):
    config = CONFIG.model_copy(update={"activation_fn_actor": activation, "l2_reg_actor": 0.5})
    actor = make_actor(2, 1, config, rng())
    hidden = [actor.get_layer(f"hidden_{i}").kernel for i in (1, 2, 3)]
    expected = 0.5 * sum(np.sum(np.square(kernel)) for kernel in hidden)
    assert float(sum(actor.losses)) == pytest.approx(expected, rel=1e-5)


def test_batch_norm_and_dropout_come_by_their_settings():
    config = CONFIG.model_copy(
        update={"bn_momentum_actor": 0.9, "bn_momentum_critic": 0.0, "dropout_actor": 0.3, "dropout_critic": 0.4}
    )
    kinds = [layer.__class__.__name__ for layer in make_actor(2, 1, config, rng()).layers]
    assert kinds.count("BatchNormalization") == kinds.count("Dropout") == 3
    critic = make_critic(2, 1, config, rng())
    kinds = [layer.__class__.__name__ for layer in critic.layers]
    assert (kinds.count("BatchNormalization"), kinds.count("Dropout")) == (0, 4)
    assert {layer.rate for layer in critic.layers if layer.__class__.__name__ == "Dropout"} == {0.4}


def test_weights_follow_from_the_generator_alone():
    first, again, other = (make_critic(3, 2, CONFIG, rng(seed)).get_weights() for seed in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def kernels(model):
    return {layer.name: tuple(layer.kernel.shape) for layer in model.layers if hasattr(layer, "kernel")}


def test_the_papers_critic_takes_the_action_at_its_second_hidden_layer():
    """Lillicrap et al., 2015, section 7, with Pendulum's sizes."""
    config = AgentConfig(
        hidden_layer_sizes_critic=((400,), ()), join_critic="concatenate", hidden_layer_sizes_joint=(300,),
        bn_momentum_critic=0.9, bn_observations=True,
    )  # fmt: skip
    critic = make_critic(3, 1, config, rng())
    assert kernels(critic) == {"states_1": (3, 400), "joint_1": (401, 300), "q_values": (300, 1)}
    names = [layer.name for layer in critic.layers if layer.__class__.__name__ == "BatchNormalization"]
    assert names == ["states_norm", "states_1_norm"]


def test_the_critic_of_td3_takes_state_and_action_together():
    config = AgentConfig(
        hidden_layer_sizes_critic=((), ()), join_critic="concatenate", hidden_layer_sizes_joint=(400, 300),
        bn_momentum_critic=0.0,
    )  # fmt: skip
    critic = make_critic(24, 4, config, rng())
    assert kernels(critic) == {"joint_1": (28, 400), "joint_2": (400, 300), "q_values": (300, 1)}


def test_adding_before_the_activation_changes_no_weights():
    """Its counts are those of the README, and so are its initial weights."""
    first, second = (make_critic(2, 1, CONFIG.model_copy(update={"join_critic": join}), rng()) for join in JOINS)
    assert [array.shape for array in first.get_weights()] == [array.shape for array in second.get_weights()]
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


@pytest.mark.parametrize(("join", "interacts"), [("add_activated", False), ("add", True)])
def test_only_a_critic_that_adds_before_the_activation_sees_state_and_action_together(join, interacts):
    """With ReLU, Q(s, a) of two activated paths is F(s) + G(a): the best action is the same in every state."""
    config = CONFIG.model_copy(update={"join_critic": join, "relu_alpha_critic": 0.0, "bn_momentum_critic": 0.0})
    critic = make_critic(2, 1, config, rng())
    states = np.random.default_rng(1).uniform(-1, 1, (50, 2)).astype(np.float32)
    q = np.stack([critic([states, np.full((50, 1), action, np.float32)])[:, 0] for action in (-1, -0.3, 0.4, 1)])
    interaction = q - q.mean(0) - q.mean(1, keepdims=True) + q.mean()
    assert (np.abs(interaction).max() > 1e-2) == interacts
    assert interacts or np.abs(interaction).max() < 1e-6


@pytest.mark.parametrize("make", [make_actor, make_critic])
def test_initial_weights_lie_within_the_papers_limits(make):
    config = CONFIG.model_copy(update={"initializer": "fan_in", "output_init_range": 0.003})
    for layer in make(2, 1, config, rng()).layers:
        if hasattr(layer, "kernel"):
            limit = 0.003 if layer.name in ("actions", "q_values") else 1 / np.sqrt(layer.kernel.shape[0])
            for array in (layer.kernel.numpy(), layer.bias.numpy()):
                assert 0.5 * limit < np.abs(array).max() <= limit or array.size == 1
