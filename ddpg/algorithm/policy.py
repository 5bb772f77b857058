"""The trained policy as NumPy functions, without TensorFlow."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddpg.algorithm.saved_agent import Array, Description, read_description, read_network
from ddpg.numerics.products import product

NORM_EPSILON = 1e-3
"""Keras' default, for batch and layer normalisation."""
_PARTS = "", "_layer_norm", "_norm"


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
        has_norm = self.config.bn_momentum_actor > 0
        arrays, moments = iter(weights), iter(statistics)

        def batch_norm(used: bool) -> tuple[Array, ...]:
            return as_scale_and_shift(next(arrays), next(arrays), next(moments), next(moments)) if used else ()

        self._input_norm = batch_norm(has_norm and self.config.bn_observations)
        self._hidden: list[tuple[tuple[Array, ...], ...]] = []
        for _ in self.config.hidden_layer_sizes_actor:
            dense = next(arrays), next(arrays)
            normalised = (next(arrays), next(arrays)) if self.config.layer_norm_actor else ()
            self._hidden.append((dense, normalised, batch_norm(has_norm)))
        self._output = next(arrays), next(arrays)

    def __call__(self, observations: NDArray[Any]) -> Array:
        """Actions of shape (..., action size) for observations of shape (..., observation size)."""
        return self.actions.unscale(self.scaled(self.observations.scale(observations)))

    def scaled(self, x: Array) -> Array:
        """Actions for scaled observations, both in the networks' units, [-1, 1]."""
        if self._input_norm:
            x = x * self._input_norm[0] + self._input_norm[1]
        for (kernel, bias), normalised, batch_norm in self._hidden:
            x = product(x, kernel) + bias
            if normalised:
                x = layer_norm(x, *normalised)
            x = leaky_relu(x, self.config.relu_alpha_actor)
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
        hidden = [f"hidden_{i}" for i in range(1, len(config.hidden_layer_sizes_actor) + 1)]
        sizes = [observations.low.size, *config.hidden_layer_sizes_actor, actions.low.size]
        shapes = dict(zip([*hidden, "actions"], itertools.pairwise(sizes), strict=True))
        layers = read_network(folder, "actor", shapes)
        weights: list[Array] = []
        statistics: list[Array] = []
        for name in ["states_norm", *(f"{name}{part}" for name in hidden for part in _PARTS), "actions"]:
            weights += layers.get(name, ())[:2]
            statistics += layers.get(name, ())[2:]
        return cls(description, weights, statistics)


def leaky_relu(x: Array, slope: float) -> Array:
    """Leaky ReLU with a negative slope in [0, 1]."""
    rectified: Array = np.maximum(x, slope * x)
    return rectified


def as_scale_and_shift(gamma: Array, beta: Array, mean: Array, variance: Array) -> tuple[Array, Array]:
    """The scale and shift to which batch normalisation with fixed moments reduces."""
    scale = gamma / np.sqrt(variance + np.float32(NORM_EPSILON))
    return scale, beta - mean * scale


def layer_norm(x: Array, scale: Array, shift: Array) -> Array:
    """Layer normalisation over the last axis."""
    centered = x - x.mean(axis=-1, keepdims=True)
    variance = (centered * centered).mean(axis=-1, keepdims=True)
    normalised: Array = centered / np.sqrt(variance + np.float32(NORM_EPSILON)) * scale + shift
    return normalised
