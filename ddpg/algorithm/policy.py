"""The trained policy as NumPy functions, and the description of a saved agent: neither needs TensorFlow."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ddpg.algorithm.scaling import BoxScaler
from ddpg.config import AgentConfig
from ddpg.files import DamagedFileError, replacing
from ddpg.numerics.products import product

FORMAT_VERSION = 1
BATCH_NORM_EPSILON = 1e-3
"""Keras' default."""

Array = NDArray[np.float32]


class Description(NamedTuple):
    """What a saved agent is, apart from its weights."""

    config: AgentConfig
    observations: BoxScaler
    actions: BoxScaler


class Policy:
    """The actor: observations to actions, both in the environment's units, some 20 µs a call.

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
        """The same in the networks' units, [-1, 1]."""
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
        """The policy of an agent that `DDPG.save` wrote.

        Raises:
            FileNotFoundError: The folder holds no saved agent.
            DamagedFileError: The files are damaged or of another kind; the message names the file.
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


class SavedNetwork(NamedTuple):
    """The arrays of a network's layers, in the order of its file."""

    dense: list[tuple[Array, ...]]
    """Kernel and bias of each."""
    norms: list[tuple[Array, ...]]
    """Scale, shift, mean and variance of each batch normalisation."""


def read_network(folder: Path, name: str, kernel_shapes: list[tuple[int, int]], n_norms: int) -> SavedNetwork:
    """Reads a network that `DDPG.save` wrote.

    Args:
        folder: Where it was saved.
        name: Such as actor.
        kernel_shapes: Those its dense layers must have, in the order of the file.
        n_norms: Its batch normalisations.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: The file is damaged or of another kind; the message names it.
    """
    path = Path(folder) / f"{name}.weights.h5"
    try:
        with h5py.File(path, "r") as file:
            dense = [_layer(file, "dense", i, 2) for i in range(len(kernel_shapes))]
            norms = [_layer(file, "batch_normalization", i, 4) for i in range(n_norms)]
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: expected a saved agent's weights, found no file") from None
    except (OSError, KeyError, ValueError) as error:
        raise DamagedFileError(f"{path}: expected the weights of the configured {name} ({error})") from error
    received = [kernel.shape for kernel, _ in dense]
    if received != kernel_shapes:
        raise DamagedFileError(f"{path}: expected kernels of shape {kernel_shapes}, received {received}")
    return SavedNetwork(dense, norms)


def _layer(file: h5py.File, kind: str, i: int, n_arrays: int) -> tuple[Array, ...]:
    """A layer's arrays. Keras names layers in its file by class and order, whatever they are called in the model."""
    group = file[f"layers/{kind}_{i}/vars" if i else f"layers/{kind}/vars"]
    return tuple(np.asarray(group[str(j)]) for j in range(n_arrays))


def leaky_relu(x: Array, slope: float) -> Array:
    """The rectifier with a slope in [0, 1] for negative input."""
    rectified: Array = np.maximum(x, slope * x)
    return rectified


def batch_norm_as_scale_and_shift(gamma: Array, beta: Array, mean: Array, variance: Array) -> tuple[Array, Array]:
    """What batch normalisation multiplies by and adds once its moments are fixed."""
    scale = gamma / np.sqrt(variance + np.float32(BATCH_NORM_EPSILON))
    return scale, beta - mean * scale


def write_description(folder: Path, description: Description) -> None:
    """Writes `config.json`."""
    document = {
        "format": FORMAT_VERSION,
        "observation_space": bounds_as_json(description.observations),
        "action_space": bounds_as_json(description.actions),
        "agent": description.config.model_dump(mode="json"),
    }
    with replacing(Path(folder) / "config.json") as temporary:
        temporary.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_description(folder: Path) -> Description:
    """Reads `config.json`.

    Raises:
        FileNotFoundError: The folder holds no saved agent.
        DamagedFileError: The file holds something else; the message names it.
    """
    path = Path(folder) / "config.json"
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a saved agent, found no file")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT_VERSION:
            raise ValueError(f"expected format {FORMAT_VERSION}, received {document['format']!r}")
        return Description(
            AgentConfig(**document["agent"]),
            _scaler(document["observation_space"]),
            _scaler(document["action_space"]),
        )
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise DamagedFileError(f"{path}: expected a saved agent's description ({error!r})") from error


def bounds_as_json(scaler: BoxScaler) -> dict[str, list[float | None]]:
    """A scaler's bounds as JSON, which has no infinity: null."""
    return {
        name: [value if np.isfinite(value) else None for value in bounds.tolist()]
        for name, bounds in (("low", scaler.low), ("high", scaler.high))
    }


def _scaler(bounds: dict[str, list[float | None]]) -> BoxScaler:
    return BoxScaler(
        [-np.inf if low is None else low for low in bounds["low"]],
        [np.inf if high is None else high for high in bounds["high"]],
    )
