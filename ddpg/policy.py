"""The trained policy as NumPy functions, and the description of a saved agent: neither needs TensorFlow."""

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ddpg.config import AgentConfig
from ddpg.scaling import BoxScaler

FORMAT_VERSION = 1
BATCH_NORM_EPSILON = 1e-3
"""Keras' default."""


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
        weights: Sequence[NDArray[np.float32]],
        statistics: Sequence[NDArray[np.float32]] = (),
    ) -> None:
        self.config, self.observations, self.actions = description
        self._hidden: list[tuple[Any, ...]] = []
        arrays, moments = iter(weights), iter(statistics)
        for _ in self.config.hidden_layer_sizes_actor:
            kernel_and_bias = next(arrays), next(arrays)
            norm = _batch_norm_as_scale_and_shift(arrays, moments) if self.config.bn_momentum_actor else ()
            self._hidden.append((*kernel_and_bias, *norm))
        self._output = next(arrays), next(arrays)

    def __call__(self, observations: NDArray[Any]) -> NDArray[np.float32]:
        """Actions of shape (..., action size) for observations of shape (..., observation size)."""
        return self.actions.unscale(self.scaled(self.observations.scale(observations)))

    def scaled(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same in the networks' units, [-1, 1]."""
        for kernel, bias, *batch_norm in self._hidden:
            x = x @ kernel + bias
            x = np.maximum(x, self.config.relu_alpha_actor * x)
            if batch_norm:
                x = x * batch_norm[0] + batch_norm[1]
        kernel, bias = self._output
        x = x @ kernel + bias
        # 2 sigmoid(x) - 1 = tanh(x / 2)
        return np.tanh(x if self.config.activation_fn_actor == "tanh" else x / 2)

    @classmethod
    def load(cls, folder: Path) -> "Policy":
        """The policy of an agent that `DDPG.save` wrote.

        Raises:
            FileNotFoundError: The folder holds no saved agent.
            ValueError: The files are damaged or of another kind; the message names the file.
        """
        description = read_description(folder)
        path = Path(folder) / "actor.weights.h5"
        try:
            with h5py.File(path, "r") as file:
                weights, statistics = [], []
                for i in range(len(description.config.hidden_layer_sizes_actor) + 1):
                    weights += _keras_variables(file, "dense" if i == 0 else f"dense_{i}")
                    if description.config.bn_momentum_actor and i < len(description.config.hidden_layer_sizes_actor):
                        name = "batch_normalization" if i == 0 else f"batch_normalization_{i}"
                        gamma, beta, mean, variance = _keras_variables(file, name)
                        weights += [gamma, beta]
                        statistics += [mean, variance]
        except FileNotFoundError:
            raise FileNotFoundError(f"{path}: expected a saved agent's weights, found no file") from None
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(f"{path}: expected the weights of the configured actor ({error})") from error
        _require_shapes(path, description, weights)
        return cls(description, weights, statistics)


def _batch_norm_as_scale_and_shift(
    arrays: Iterator[NDArray[np.float32]], moments: Iterator[NDArray[np.float32]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    gamma, beta, mean, variance = next(arrays), next(arrays), next(moments), next(moments)
    scale = gamma / np.sqrt(variance + np.float32(BATCH_NORM_EPSILON))
    return scale, beta - mean * scale


def _keras_variables(file: h5py.File, layer: str) -> list[NDArray[np.float32]]:
    """A layer's arrays. Keras names layers in its file by class and order, whatever they are called in the model."""
    group = file[f"layers/{layer}/vars"]
    return [np.asarray(group[str(i)]) for i in range(len(group))]


def _require_shapes(path: Path, description: Description, weights: Sequence[NDArray[np.float32]]) -> None:
    config = description.config
    sizes = [description.observations.low.size, *config.hidden_layer_sizes_actor, description.actions.low.size]
    expected = list(itertools.pairwise(sizes))
    received = [array.shape for array in weights if array.ndim == 2]
    if received != expected:
        raise ValueError(f"{path}: expected kernels of shape {expected}, received {received}")


def write_description(folder: Path, description: Description) -> None:
    """Writes `config.json`."""
    document = {
        "format": FORMAT_VERSION,
        "observation_space": _bounds(description.observations),
        "action_space": _bounds(description.actions),
        "agent": description.config.model_dump(mode="json"),
    }
    (Path(folder) / "config.json").write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")


def read_description(folder: Path) -> Description:
    """Reads `config.json`.

    Raises:
        FileNotFoundError: The folder holds no saved agent.
        ValueError: The file holds something else; the message names it.
    """
    path = Path(folder) / "config.json"
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a saved agent, found no file")
    try:
        document = json.loads(path.read_text())
        if document["format"] != FORMAT_VERSION:
            raise ValueError(f"expected format {FORMAT_VERSION}, received {document['format']!r}")
        return Description(
            AgentConfig(**document["agent"]),
            _scaler(document["observation_space"]),
            _scaler(document["action_space"]),
        )
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise ValueError(f"{path}: expected a saved agent's description ({error!r})") from error


def _bounds(scaler: BoxScaler) -> dict[str, list[float | None]]:
    """Bounds as JSON, which has no infinity: null."""
    return {
        name: [value if np.isfinite(value) else None for value in bounds.tolist()]
        for name, bounds in (("low", scaler.low), ("high", scaler.high))
    }


def _scaler(bounds: dict[str, list[float | None]]) -> BoxScaler:
    return BoxScaler(
        [-np.inf if low is None else low for low in bounds["low"]],
        [np.inf if high is None else high for high in bounds["high"]],
    )
