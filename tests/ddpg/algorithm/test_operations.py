import json

import numpy as np
import pytest

from ddpg.algorithm.compiled import initial_parts
from ddpg.algorithm.networks import PureNetwork, make_actor, make_critic
from ddpg.algorithm.operations import describe_networks, weights_of
from ddpg.algorithm.scaling import BoxScaler, Moments, StandardizingScaler
from ddpg.algorithm.update import Networks
from ddpg.config import AgentConfig
from ddpg.numerics.backend import keras

OBSERVATIONS = BoxScaler([-1.2, -np.inf, 0.0], [0.6, np.inf, 2.0])
# The second dimension's deviation is small enough for observations to reach the limit.
STANDARDIZED = StandardizingScaler(
    OBSERVATIONS.low, OBSERVATIONS.high, Moments(4, np.array([0.3, 0.1, -0.2]), np.array([1.0, 0.04, 9.0]))
)
N_ACTIONS = 2


def layer_norm(x, gamma, beta, epsilon):
    deviation = np.sqrt(x.var(axis=-1, keepdims=True) + epsilon)
    return (x - x.mean(axis=-1, keepdims=True)) / deviation * gamma + beta


KINDS = {
    "standardize": lambda x, center, half_range, limit=np.inf: np.clip((x - center) / half_range, -limit, limit),
    "dense": lambda x, kernel, bias: x @ kernel + bias,
    "leaky_relu": lambda x, slope: np.maximum(x, slope * x),
    "batch_norm": lambda x, gamma, beta, mean, variance, epsilon: (
        (x - mean) / np.sqrt(variance + epsilon) * gamma + beta
    ),
    "layer_norm": layer_norm,
    "rescale": lambda x, scale, offset: scale * x + offset,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "add": lambda *parts: sum(parts),
    "concatenate": lambda *parts: np.concatenate(parts, axis=-1),
}


def evaluate(operations, weights, *inputs):
    values = list(inputs)
    for operation in operations:
        arrays = [
            weights[array["start"] : array["start"] + np.prod(array["shape"])].reshape(array["shape"])
            for array in operation["arrays"]
        ]
        constants = {key: value for key, value in operation.items() if key not in ("kind", "inputs", "arrays")}
        values.append(KINDS[operation["kind"]](*(values[i] for i in operation["inputs"]), *arrays, **constants))
    return values[-1]


def other_critic(rng):
    """With layers that the configuration does not know."""
    states, actions = keras.Input((3,)), keras.Input((N_ACTIONS,))
    x = keras.layers.Dense(5, activation="sigmoid")(keras.layers.Concatenate()([states, actions]))
    x = keras.layers.LayerNormalization()(x)
    return keras.Model([states, actions], keras.layers.Dense(1)(keras.layers.Activation("tanh")(x)))


def actor_and_critic(critic=make_critic, **changes):
    """Networks with random weights and statistics."""
    rng, config = np.random.default_rng(3), AgentConfig(**changes)
    models = make_actor(3, N_ACTIONS, config, rng), other_critic(rng)
    if critic is make_critic:
        models = models[0], make_critic(3, N_ACTIONS, config, rng)
    for model in models:
        for variable in model.trainable_variables + model.non_trainable_variables:
            if "float" in variable.dtype:
                variable.assign(rng.uniform(0.2 if len(variable.shape) == 1 else -0.5, 0.5, variable.shape))
    return models


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"bn_momentum_actor": 0.9, "bn_momentum_critic": 0.7, "dropout_actor": 0.1, "dropout_critic": 0.1},
        {"activation_fn_actor": "sigmoid", "hidden_layer_sizes_critic": ((6, 5, 4), (4,)), "relu_alpha_critic": 0.2},
        {"critic": other_critic},
        {"join_critic": "add", "hidden_layer_sizes_joint": (5, 4), "layer_norm_actor": True, "layer_norm_critic": True},
        {
            "join_critic": "concatenate",
            "hidden_layer_sizes_critic": ((6,), ()),
            "hidden_layer_sizes_joint": (5,),
            "bn_observations": True,
        },
    ],
    ids=["default", "norms and dropout", "paths of different length", "other layers", "layer norm", "the paper's"],
)
@pytest.mark.parametrize("scaling", [OBSERVATIONS, STANDARDIZED], ids=["box", "standardized"])
def test_the_operations_compute_what_the_keras_models_do(changes, scaling):
    actor, critic = actor_and_critic(**changes)
    parts = initial_parts(actor, [critic])
    networks = describe_networks(Networks(PureNetwork(actor), PureNetwork(critic)), scaling)
    networks = json.loads(json.dumps(networks))
    weights = weights_of(parts, scaling)
    assert weights.dtype == np.float32
    assert weights.shape == (networks["n_weights"],)

    rng = np.random.default_rng(1)
    observations = rng.uniform([-1.2, -3, 0], [0.6, 3, 2], (20, 3)).astype(np.float32)
    actions = rng.uniform(-1, 1, (20, N_ACTIONS)).astype(np.float32)
    scaled = scaling.scale(observations)
    policy = actor(scaled).numpy()
    assert policy.std() > 0.01
    np.testing.assert_allclose(evaluate(networks["actor"], weights, observations), policy, atol=1e-5)
    q = critic([scaled, actions]).numpy()
    assert q.std() > 0.01
    np.testing.assert_allclose(evaluate(networks["critic"], weights, observations, actions), q, atol=1e-5)


def test_an_unknown_layer_is_named():
    inputs = keras.Input((3,))
    unknown = keras.Model(inputs, keras.layers.GaussianNoise(0.1, name="noise")(inputs))
    _, critic = actor_and_critic()
    with pytest.raises(TypeError, match=r"noise: expected one of Dense, .*, received GaussianNoise"):
        describe_networks(Networks(PureNetwork(unknown), PureNetwork(critic)), OBSERVATIONS)
