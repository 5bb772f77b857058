"""A saved agent's files: its description and its networks, read without TensorFlow."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ddpg.algorithm.scaling import BoxScaler, Moments, StandardizingScaler
from ddpg.config import AgentConfig
from ddpg.files import DamagedFileError, replacing

FORMAT_VERSION = 1

Array = NDArray[np.float32]


class Description(NamedTuple):
    """A saved agent's configuration and scaling: everything but its weights."""

    config: AgentConfig
    observations: BoxScaler
    actions: BoxScaler


SavedNetwork = dict[str, tuple[Array, ...]]
"""By the layers' names: kernel and bias of a dense one; scale and shift of a normalisation, and, of a batch
normalisation, mean and variance."""


def read_network(folder: Path, name: str, kernel_shapes: Mapping[str, tuple[int, int]]) -> SavedNetwork:
    """Reads a network that `DDPG.save` wrote.

    Args:
        folder: Where it was saved.
        name: Such as actor.
        kernel_shapes: Expected shapes of its dense layers, by their names.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: The file is corrupt or of another kind; the message names it.
    """
    path = Path(folder) / f"{name}.weights.h5"
    try:
        with h5py.File(path, "r") as file:
            # Keras names groups by class and order, and writes the layers' own names beside their arrays.
            groups = [group["vars"] for group in file["layers"].values()]
            layers = {group.attrs["name"]: _arrays(group) for group in groups if len(group)}
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: expected a saved agent's weights, found no file") from None
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise DamagedFileError(f"{path}: expected the weights of the configured {name} ({error})") from error
    received = {layer: arrays[0].shape for layer, arrays in layers.items() if arrays[0].ndim == 2}
    if received != dict(kernel_shapes):
        raise DamagedFileError(f"{path}: expected kernels of shape {kernel_shapes}, received {received}")
    return layers


def _arrays(group: h5py.Group) -> tuple[Array, ...]:
    return tuple(np.asarray(group[str(i)]) for i in range(len(group)))


def write_description(folder: Path, description: Description) -> None:
    """Writes `config.json`."""
    document: dict[str, Any] = {
        "format": FORMAT_VERSION,
        "observation_space": bounds_as_json(description.observations),
        "action_space": bounds_as_json(description.actions),
        "agent": description.config.model_dump(mode="json"),
    }
    if isinstance(description.observations, StandardizingScaler):
        n_seen, mean, squares = description.observations.moments
        document["observation_moments"] = {"n_seen": n_seen, "mean": mean.tolist(), "squares": squares.tolist()}
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
        config = AgentConfig(**document["agent"])
        observations, actions = (_scaler(document[f"{name}_space"]) for name in ("observation", "action"))
        if config.observation_normalization == "standardize":
            observations = StandardizingScaler(
                observations.low, observations.high, _moments(**document["observation_moments"])
            )
        return Description(config, observations, actions)
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


def _moments(n_seen: int, mean: list[float], squares: list[float]) -> Moments:
    return Moments(n_seen, np.array(mean, np.float64), np.array(squares, np.float64))
