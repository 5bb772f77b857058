"""The critic's action value as a NumPy function, without TensorFlow."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddpg.algorithm.policy import as_scale_and_shift, layer_norm, leaky_relu
from ddpg.algorithm.saved_agent import Array, Description, SavedNetwork, read_description, read_network
from ddpg.numerics.products import product


class ActionValue:
    """The critic: observations and actions, both in the environment's units, to Q in units of the normalised reward.

    Args:
        description: Configuration and scaling.
        critic: The arrays of its layers.
    """

    def __init__(self, description: Description, critic: SavedNetwork) -> None:
        self.config, self.observations, self.actions = description
        self._layers = {
            name: as_scale_and_shift(*arrays) if len(arrays) == 4 else arrays for name, arrays in critic.items()
        }

    def __call__(self, observations: NDArray[Any], actions: NDArray[Any]) -> Array:
        """Q of shape (...,) for observations of shape (..., observation size) and actions (..., action size)."""
        config = self.config
        observation_path, action_path = config.hidden_layer_sizes_critic
        states = self._normalised(self.observations.scale(observations), "states_norm")
        x = self._joined(
            self._hidden(states, "states", len(observation_path)),
            self._hidden(self.actions.scale(actions), "actions", len(action_path)),
        )
        x = self._hidden(x, "joint", len(config.hidden_layer_sizes_joint))
        return self._dense(x, "q_values")[..., 0]

    def _hidden(self, x: Array, path: str, n_layers: int) -> Array:
        """The layers of a path; the last one's activation may be left to the sum of both paths."""
        for i in range(1, n_layers + 1):
            x = self._dense(x, f"{path}_{i}")
            if not (self.config.join_critic == "add" and path != "joint" and i == n_layers):
                x = self._normalised(self._activated(x, f"{path}_{i}"), f"{path}_{i}_norm")
        return x

    def _joined(self, states: Array, actions: Array) -> Array:
        if self.config.join_critic == "concatenate":
            return np.concatenate([states, actions], axis=-1)
        return self._normalised(self._activated(states + actions, "sum"), "sum_norm")

    def _dense(self, x: Array, name: str) -> Array:
        kernel, bias = self._layers[name]
        return product(x, kernel) + bias

    def _activated(self, x: Array, name: str) -> Array:
        norm = self._layers.get(f"{name}_layer_norm")
        return leaky_relu(x if norm is None else layer_norm(x, *norm), self.config.relu_alpha_critic)

    def _normalised(self, x: Array, name: str) -> Array:
        norm = self._layers.get(name)
        return x if norm is None else x * norm[0] + norm[1]

    @classmethod
    def load(cls, folder: Path) -> "ActionValue":
        """The action value of an agent that `DDPG.save` wrote.

        Raises:
            FileNotFoundError: The folder holds no saved agent.
            ValueError: The files are damaged or of another kind; the message names the file.
        """
        description = read_description(folder)
        config, observations, actions = description
        sizes = {"states": observations.low.size, "actions": actions.low.size}
        shapes: dict[str, tuple[int, int]] = {}
        for (path, size), hidden in zip(list(sizes.items()), config.hidden_layer_sizes_critic, strict=True):
            shapes |= _shapes(path, size, hidden)
            sizes[path] = hidden[-1] if hidden else size
        joined = sum(sizes.values()) if config.join_critic == "concatenate" else sizes["states"]
        joint = _shapes("joint", joined, config.hidden_layer_sizes_joint)
        last = config.hidden_layer_sizes_joint[-1] if joint else joined
        return cls(description, read_network(folder, "critic", {**shapes, **joint, "q_values": (last, 1)}))


def _shapes(path: str, n_inputs: int, hidden: Sequence[int]) -> dict[str, tuple[int, int]]:
    """The kernels' shapes of a path's layers, by their names."""
    return {f"{path}_{i}": shape for i, shape in enumerate(itertools.pairwise([n_inputs, *hidden]), 1)}
