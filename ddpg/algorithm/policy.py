"""The trained policy as NumPy functions, without TensorFlow."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddpg.algorithm.saved_agent import Array, Description, read_description, read_network
from ddpg.numerics.products import product

BATCH_NORM_EPSILON = 1e-3
"""Keras' default."""


class Policy:
    """The actor: observations to actions, both in the environment's units; about 20 µs per call.

    Args:
        description: Configuration and scaling.
        weights: The Keras actor's trainable arrays in its order.
        statistics: Its batch-norm means and variances in its order.
    """

    def __init__(
        self,
        description: Description,
        weights: Sequence[Array],
        statistics: Sequence[Array] = (),
    ) -> None:
        self.description = description
        self.config, self.observations, self.actions = description
        self._hidden: list[tuple[Any, ...]] = []
        arrays, moments = iter(weights), iter(statistics)
        for _ in self.config.hidden_layer_sizes_actor:
            kernel_and_bias = next(arrays), next(arrays)
            norm: tuple[Array, ...] = ()
            if self.config.bn_momentum_actor:
                norm = batch_norm_as_scale_and_shift(next(arrays), next(arrays), next(moments), next(moments))
            self._hidden.append((*kernel_and_bias, *norm))
        self._output = next(arrays), next(arrays)

    def __call__(self, observations: NDArray[Any]) -> Array:
        """Actions of shape (..., action size) for observations of shape (..., observation size)."""
        return self.actions.unscale(self.scaled(self.observations.scale(observations)))

    def scaled(self, x: Array) -> Array:
        """Actions for scaled observations, both in the networks' units, [-1, 1]."""
        for kernel, bias, *batch_norm in self._hidden:
            x = leaky_relu(product(x, kernel) + bias, self.config.relu_alpha_actor)
            if batch_norm:
                x = x * batch_norm[0] + batch_norm[1]
        kernel, bias = self._output
        x = product(x, kernel) + bias
        # 2 sigmoid(x) - 1 = tanh(x / 2)
        return np.tanh(x if self.config.activation_fn_actor == "tanh" else x / 2)

    @classmethod
    def load(cls, folder: Path) -> "Policy":
        """Loads the policy of an agent that `DDPG.save` wrote.

        Raises:
            FileNotFoundError: The folder holds no saved agent.
            DamagedFileError: A file is corrupt or of another kind; the message names it.
        """
        description = read_description(folder)
        config, observations, actions = description
        sizes = [observations.low.size, *config.hidden_layer_sizes_actor, actions.low.size]
        n_norms = len(config.hidden_layer_sizes_actor) if config.bn_momentum_actor else 0
        saved = read_network(folder, "actor", list(itertools.pairwise(sizes)), n_norms)
        weights: list[Array] = []
        statistics: list[Array] = []
        for layer, norm in itertools.zip_longest(saved.dense, saved.norms, fillvalue=()):
            weights += [*layer, *norm[:2]]
            statistics += norm[2:]
        return cls(description, weights, statistics)


def leaky_relu(x: Array, slope: float) -> Array:
    """Leaky ReLU with a negative slope in [0, 1]."""
    rectified: Array = np.maximum(x, slope * x)
    return rectified


def batch_norm_as_scale_and_shift(gamma: Array, beta: Array, mean: Array, variance: Array) -> tuple[Array, Array]:
    """The scale and shift to which batch normalisation with fixed moments reduces."""
    scale = gamma / np.sqrt(variance + np.float32(BATCH_NORM_EPSILON))
    return scale, beta - mean * scale
