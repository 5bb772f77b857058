"""What the networks compute, as lists of operations on one vector of weights: for readers without Keras.

The explorer's page evaluates them in JavaScript. The lists are read from the Keras models, so that they describe
whatever `networks` builds.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddpg.algorithm.scaling import LARGEST_STANDARDIZED, BoxScaler, StandardizingScaler
from ddpg.algorithm.update import LearnerParts, Networks, NetworkState
from ddpg.numerics.backend import keras

Operation = dict[str, Any]
"""Its `kind`; the numbers of the values that are its `inputs`; its `arrays`, each with its `start` in the vector of
weights and its `shape`; and constants. Values are numbered from 0: the network's inputs, then the result of each
operation. The last is the output.

- standardize: (x - center) / half_range, not beyond ± `limit` if there is one
- dense: x · kernel + bias
- leaky_relu: x, or `slope` · x if that is greater
- batch_norm: (x - mean) / sqrt(variance + `epsilon`) · gamma + beta
- layer_norm: likewise, with the mean and the variance of x over its units
- rescale: `scale` · x + `offset`
- tanh, sigmoid, add, concatenate
"""


def describe_networks(networks: Networks, observations: BoxScaler) -> dict[str, Any]:
    """Describes the actor and the critic, as JSON values.

    Args:
        networks: Their models.
        observations: Scaling of the observations.

    Returns:
        The operations of the `actor`, from an observation in the environment's units to scaled actions, and of the
        `critic`, from such an observation and scaled actions to Q; and the length of the vector, `n_weights`.

    Raises:
        TypeError: A layer is of another kind.
    """
    size = observations.low.size
    standardize: Operation = {
        "kind": "standardize",
        "inputs": [0],
        "arrays": [_array(0, (size,)), _array(size, (size,))],
    }
    if isinstance(observations, StandardizingScaler):
        standardize["limit"] = LARGEST_STANDARDIZED
    actor, after_actor = _operations(networks.actor.model, standardize, 2 * size)
    critic, after_critic = _operations(networks.critic.model, standardize, after_actor)
    return {"actor": actor, "critic": critic, "n_weights": after_critic}


def weights_of(parts: LearnerParts, observations: BoxScaler) -> NDArray[np.float32]:
    """The vector that `describe_networks` refers to; of several critics, with the first."""
    center, half_range = observations.center, observations.half_range
    if isinstance(observations, StandardizingScaler):
        center, half_range = center + half_range * observations.mean, half_range * observations.deviation
    pieces = [center, half_range, *_pieces(parts.actor), *_pieces(parts.critics[0])]
    return np.concatenate([np.ravel(piece) for piece in pieces]).astype(np.float32)


def _pieces(network: NetworkState) -> Iterator[Any]:
    yield network.weights
    yield from (values for values in network.statistics if values.dtype.kind == "f")  # others are dropout's seeds


def _operations(model: Any, standardize: Operation, start: int) -> tuple[list[Operation], int]:
    """The operations of a model whose weights begin at `start`, and where they end."""
    places = {}
    statistics = [variable for variable in model.non_trainable_variables if "float" in str(variable.dtype)]
    for variable in (*model.trainable_variables, *statistics):
        places[id(variable)] = _array(start, variable.shape)
        start += math.prod(variable.shape)
    # The standardized observation takes the place of the observation.
    n_inputs = len(model.inputs)
    numbers = {id(tensor): number for number, tensor in enumerate(model.inputs)} | {id(model.inputs[0]): n_inputs}
    operations = [standardize]
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        tensors = layer.input if isinstance(layer.input, list) else [layer.input]
        inputs = [numbers[id(tensor)] for tensor in tensors]
        for operation, variables in _of_layer(layer):
            arrays = [places[id(variable)] for variable in variables]
            operations.append({**operation, "inputs": inputs, "arrays": arrays})
            inputs = [n_inputs + len(operations) - 1]
        numbers[id(layer.output)] = inputs[0]
    return operations, start


def _of_layer(layer: Any) -> Iterator[tuple[Operation, list[Any]]]:
    """The operations of a layer, one on the result of the other, each with its variables."""
    for kind, convert in _LAYERS.items():
        if isinstance(layer, getattr(keras.layers, kind)):
            yield from convert(layer)
            break
    else:
        raise TypeError(f"{layer.name}: expected one of {', '.join(_LAYERS)}, received {type(layer).__name__}")
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    if activation != "linear":
        yield {"kind": activation}, []


_LAYERS: dict[str, Callable[[Any], list[tuple[Operation, list[Any]]]]] = {
    "Dense": lambda layer: [({"kind": "dense"}, [layer.kernel, layer.bias])],
    "LeakyReLU": lambda layer: [({"kind": "leaky_relu", "slope": layer.negative_slope}, [])],
    "BatchNormalization": lambda layer: [
        (
            {"kind": "batch_norm", "epsilon": layer.epsilon},
            [layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance],
        )
    ],
    "LayerNormalization": lambda layer: [({"kind": "layer_norm", "epsilon": layer.epsilon}, [layer.gamma, layer.beta])],
    "Rescaling": lambda layer: [({"kind": "rescale", "scale": layer.scale, "offset": layer.offset}, [])],
    "Add": lambda _: [({"kind": "add"}, [])],
    "Concatenate": lambda _: [({"kind": "concatenate"}, [])],
    "Dropout": lambda _: [],
    "Activation": lambda _: [],
}


def _array(start: int, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"start": start, "shape": list(shape)}
