"""Snapshots of the critic and the actor on a plane of states."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ddpg.algorithm.scaling import BoxScaler
from ddpg.grid_config import GridConfig
from ddpg.history import GridAxes, Snapshot

EvaluateGrid = Callable[[Any, Any, int], tuple[Any, Any, Any]]
"""`Learner.evaluate_grid`; the learner itself needs TensorFlow, and whoever only checks a grid does not."""


class StateGrid:
    """A grid over two dimensions of the state; the others are fixed at a reference state.

    Args:
        config: Which dimensions, how many cells, in which limits.
        observations: Scaling of the observations.
        action_size: Dimensions of the action.

    Raises:
        ValueError: The configuration names dimensions that do not exist.
    """

    def __init__(self, config: GridConfig, observations: BoxScaler, action_size: int) -> None:
        size = observations.low.size
        _require_dimension("x_dimension", config.x_dimension, size)
        if size > 1:
            _require_dimension("y_dimension", config.y_dimension, size)
        _require_dimension("action_dimension", config.action_dimension, action_size)
        if config.reference_state is not None and len(config.reference_state) != size:
            raise ValueError(f"reference_state: expected {size} numbers, received {len(config.reference_state)}")

        x = _axis(config.x_limits, observations, config.x_dimension, config.n_cells)
        y = np.zeros(1, np.float32)
        if size > 1:
            y = _axis(config.y_limits, observations, config.y_dimension, config.n_cells)
        reference = np.array(observations.center if config.reference_state is None else config.reference_state)
        dimensions = config.x_dimension, config.y_dimension, config.action_dimension
        self.axes = GridAxes(x, y, *dimensions, config.n_actions, reference)
        self.shape = len(y), len(x)
        states = np.empty((len(y), len(x), size), np.float32)
        states[:] = reference
        states[..., config.x_dimension] = x
        if size > 1:
            states[..., config.y_dimension] = y[:, None]
        self._states = states.reshape(-1, size)
        self._action_line = np.linspace(-1, 1, config.n_actions, dtype=np.float32)

    def snapshot(self, evaluate: EvaluateGrid, observations: BoxScaler, step: int, episode: int) -> Snapshot:
        """Evaluates the present networks on the grid, with the present scaling of the observations."""
        states = observations.scale(self._states)
        q, gradient, policy = evaluate(states, self._action_line, self.axes.action_dimension)
        return Snapshot(
            step=step,
            episode=episode,
            q_max=q.max(axis=1).reshape(self.shape),
            q_std=q.std(axis=1).reshape(self.shape),
            action_at_q_max=self._action_line[q.argmax(axis=1)].reshape(self.shape),
            action_gradient=gradient.reshape(*self.shape, -1),
            policy=policy.reshape(*self.shape, -1),
        )


def snapshots_per_weights(snapshot: Snapshot, n_weights: int) -> int:
    """The smallest k for which the weights of every kth snapshot take no more space than the snapshots."""
    n_numbers = sum(plane.size for plane in snapshot if isinstance(plane, np.ndarray))
    return math.ceil(n_weights / n_numbers)


def _require_dimension(name: str, dimension: int, size: int) -> None:
    if dimension >= size:
        raise ValueError(f"{name}: expected a number in [0, {size - 1}], received {dimension}")


def _axis(
    limits: tuple[float, float] | None, observations: BoxScaler, dimension: int, n_cells: int
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    if limits is None:
        center, half_range = observations.center[dimension], observations.half_range[dimension]
        limits = float(center - half_range), float(center + half_range)
    return np.linspace(*limits, n_cells, dtype=np.float32)
