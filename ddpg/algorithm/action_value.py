"""The critic's action value as a NumPy function, without TensorFlow."""

import itertools
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ddpg.algorithm.policy import batch_norm_as_scale_and_shift, leaky_relu
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
        *hidden, self._output = critic.dense
        order = _order(self.config.hidden_layer_sizes_critic)
        self._paths: list[list[tuple[Array, ...]]] = [[], []]
        for (path, _), layer in zip(order, hidden, strict=True):
            self._paths[path].append(layer)
        self._norms = [batch_norm_as_scale_and_shift(*norm) for norm in critic.norms]

    def __call__(self, observations: NDArray[Any], actions: NDArray[Any]) -> Array:
        """Q of shape (...,) for observations of shape (..., observation size) and actions (..., action size)."""
        slope = self.config.relu_alpha_critic
        inputs = [self.observations.scale(observations), self.actions.scale(actions)]
        for i, path in enumerate(self._paths):
            for kernel, bias in path:
                inputs[i] = leaky_relu(product(inputs[i], kernel) + bias, slope)
        x = leaky_relu(inputs[0] + inputs[1], slope)
        for scale, shift in self._norms:
            x = x * scale + shift
        kernel, bias = self._output
        return (product(x, kernel) + bias)[..., 0]

    @classmethod
    def load(cls, folder: Path) -> "ActionValue":
        """The action value of an agent that `DDPG.save` wrote.

        Raises:
            FileNotFoundError: The folder holds no saved agent.
            ValueError: The files are damaged or of another kind; the message names the file.
        """
        description = read_description(folder)
        config, observations, actions = description
        paths = config.hidden_layer_sizes_critic
        shapes = [
            list(itertools.pairwise([size, *path]))
            for size, path in zip((observations.low.size, actions.low.size), paths, strict=True)
        ]
        expected = [shapes[path][layer] for path, layer in _order(paths)]
        n_norms = 1 if config.bn_momentum_critic else 0
        return cls(description, read_network(folder, "critic", [*expected, (paths[0][-1], 1)], n_norms))


def _order(paths: tuple[tuple[int, ...], tuple[int, ...]]) -> list[tuple[int, int]]:
    """The path of each hidden layer, and its index from the path's end, in the order of Keras' file.

    Keras starts with the layers farthest from the output; at equal distance, the observation path comes first.
    """
    layers = [(path, -distance) for path, sizes in enumerate(paths) for distance in range(1, len(sizes) + 1)]
    return sorted(layers, key=lambda layer: layer[::-1])
