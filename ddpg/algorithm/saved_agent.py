"""A saved agent's files: its description and its networks, read without TensorFlow."""

import json
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ddpg.algorithm.scaling import BoxScaler
from ddpg.config import AgentConfig
from ddpg.files import DamagedFileError, replacing

FORMAT_VERSION = 1

Array = NDArray[np.float32]


class Description(NamedTuple):
    """A saved agent's configuration and scaling: everything but its weights."""

    config: AgentConfig
    observations: BoxScaler
    actions: BoxScaler


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
        kernel_shapes: Expected shapes of its dense layers, in the order of the file.
        n_norms: Number of its batch normalisations.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: The file is corrupt or of another kind; the message names it.
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
    """Reads a layer's arrays. Keras' file names layers by class and order, not by their names in the model."""
    group = file[f"layers/{kind}_{i}/vars" if i else f"layers/{kind}/vars"]
    return tuple(np.asarray(group[str(j)]) for j in range(n_arrays))


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
        DamagedFileError: The file is corrupt or of another kind; the message names it.
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
    """A scaler's bounds as JSON, with null for infinity."""
    return {
        name: [value if np.isfinite(value) else None for value in bounds.tolist()]
        for name, bounds in (("low", scaler.low), ("high", scaler.high))
    }


def _scaler(bounds: dict[str, list[float | None]]) -> BoxScaler:
    return BoxScaler(
        [-np.inf if low is None else low for low in bounds["low"]],
        [np.inf if high is None else high for high in bounds["high"]],
    )
