"""Networks of presets, layer by layer as their sources state them."""

import math

import numpy as np
import pytest

from ddpg.algorithm.networks import make_actor, make_critic
from ddpg.config import AgentConfig
from pipeline.preset import values_of

PENDULUM, HALF_CHEETAH = (3, 1), (17, 6)
"""Sizes of observations and actions."""


def networks(preset, observation_size, action_size):
    config = AgentConfig(**values_of(preset)["agent"])
    make = (make_actor, make_critic)
    return [each(observation_size, action_size, config, np.random.default_rng(0)) for each in make]


def kernels(model):
    """Inputs and units of each dense layer."""
    return [tuple(layer.kernel.shape) for layer in model.layers if type(layer).__name__ == "Dense"]


def n_parameters(kernels):
    """Of dense layers, biases included."""
    return sum((inputs + 1) * units for inputs, units in kernels)


@pytest.mark.parametrize(
    ("preset", "sizes", "actor", "critic", "parameters"),
    [
        (
            "mountain-car-seed",
            (2, 1),
            [(2, 16), (16, 32), (32, 16), (16, 1)],
            [(2, 16), (1, 16), (16, 32), (16, 32), (32, 1)],
            (1137, 1201),
        ),
        (
            "pendulum-udacity",
            PENDULUM,
            [(3, 32), (32, 64), (64, 32), (32, 1)],
            [(3, 32), (1, 32), (32, 64), (32, 64), (64, 1)],
            (4353, 4481),
        ),
        # Section 7: 400 and 300 units; "actions were not included until the 2nd hidden layer of Q".
        (
            "pendulum-paper",
            PENDULUM,
            [(3, 400), (400, 300), (300, 1)],
            [(3, 400), (400 + 1, 300), (300, 1)],
            (122_201, 122_501),
        ),
        # Section 6.1: 400 and 300 units; "both the state and action as input to the first layer".
        (
            "HalfCheetah",
            HALF_CHEETAH,
            [(17, 400), (400, 300), (300, 6)],
            [(17 + 6, 400), (400, 300), (300, 1)],
            (129_306, 130_201),
        ),
    ],
)
def test_layers_and_parameters_are_those_of_the_source(preset, sizes, actor, critic, parameters):
    made = [kernels(model) for model in networks(preset, *sizes)]
    assert made[0] == actor
    assert sorted(made[1]) == sorted(critic)
    assert tuple(map(n_parameters, made)) == parameters


def test_the_papers_networks_normalise_the_state_and_all_before_the_action():
    actor, critic = networks("pendulum-paper", *PENDULUM)
    kinds = [[type(layer).__name__.removesuffix("Layer") for layer in model.layers] for model in (actor, critic)]
    hidden = ["Dense", "LeakyReLU"]
    assert kinds[0] == ["Input", "BatchNormalization", *[*hidden, "BatchNormalization"] * 2, "Dense"]
    join = kinds[1].index("Concatenate")
    before, after = kinds[1][:join], kinds[1][join + 1 :]
    assert [kind for kind in before if kind != "Input"] == ["BatchNormalization", *hidden, "BatchNormalization"]
    assert after == [*hidden, "Dense"]
    assert {layer.negative_slope for layer in actor.layers if type(layer).__name__ == "LeakyReLU"} == {0}


def test_the_papers_networks_start_within_its_ranges():
    """Section 7: outputs from U(±3·10⁻³), all others from U(±1/√f) with f inputs."""
    for model in networks("pendulum-paper", *PENDULUM):
        dense = [layer for layer in model.layers if type(layer).__name__ == "Dense"]
        for layer in dense:
            limit = 0.003 if layer is dense[-1] else 1 / math.sqrt(layer.kernel.shape[0])
            greatest = np.abs(layer.kernel.numpy()).max()
            assert 0.9 * limit < greatest <= limit * (1 + 1e-6)
            assert np.abs(layer.bias.numpy()).max() <= limit * (1 + 1e-6)
