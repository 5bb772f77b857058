"""What happened in training: episodes step by step, records and snapshots of the networks, and their files."""

import json
from collections.abc import Iterable, Mapping, MutableSequence, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddpg.arrays import load_arrays, save_arrays
from ddpg.disk_list import DiskList
from ddpg.files import DamagedFileError

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, repr=False)
class EpisodeHistory:
    """One episode of n agent steps, in the environment's units.

    Row i of `actions` was taken at row i of `observations`; the last observation is where the episode ended.
    """

    episode: int
    """Number of the training episode, from 1; a test episode has that of the training episode before it."""
    epsilon: float
    """Scale of the exploration noise; 0 for a test."""
    first_step: int
    """Agent steps of training made before this episode."""
    observations: FloatArray
    """Shape (n + 1, observation size)."""
    actions: FloatArray
    """Shape (n, action size)."""
    rewards: FloatArray
    """Shape (n,): the sum over the environment steps for which the action was held."""
    environment_steps: int
    """Environment steps, at most n times the action repeat."""
    terminated: bool
    """The task ended."""
    truncated: bool
    """A limit outside of the task, such as a time limit, ended the episode."""
    is_success: bool | None = None
    """Whether the episode was a success, where the environment says so in `info["is_success"]`."""

    @property
    def n_steps(self) -> int:
        """Agent steps of this episode."""
        return len(self.rewards)

    @property
    def last_step(self) -> int:
        """Agent steps of training made by the end of this episode, if it is a training episode."""
        return self.first_step + self.n_steps

    @property
    def score(self) -> float:
        """The return: the undiscounted sum of rewards."""
        return float(self.rewards.sum())

    def __repr__(self) -> str:
        end = "terminated" if self.terminated else "truncated" if self.truncated else "unfinished"
        return f"EpisodeHistory(episode={self.episode}, {len(self.rewards)} steps, return {self.score:.2f}, {end})"

    @property
    def reached_goal(self) -> bool:
        """Whether the episode was a success, as the environment says, or ended with a prize.

        A prize is a last reward that outweighs all others of the episode, of which there are some, in a terminal state.
        An environment that rewards each step, failing ones included, gives none.
        """
        if self.is_success is not None:
            return self.is_success
        others = np.abs(self.rewards[:-1])
        return self.terminated and len(others) > 0 and float(self.rewards[-1]) > float(others.sum())


class Snapshot(NamedTuple):
    """The networks on the state grid after `step` agent steps; rows are y, from its lower bound up.

    Q is in units of the normalised reward; actions and gradients are in units of the scaled action, [-1, 1].
    """

    step: int
    """Agent steps of training so far."""
    episode: int
    """The training episode of that step."""
    q_max: FloatArray
    """Shape (n_y, n_x): the maximum of Q over the action line."""
    q_std: FloatArray
    """Shape (n_y, n_x): the standard deviation of Q over the action line."""
    action_at_q_max: FloatArray
    """Shape (n_y, n_x): the action at the maximum of Q."""
    action_gradient: FloatArray
    """Shape (n_y, n_x, action size): dQ/da at the policy's action."""
    policy: FloatArray
    """Shape (n_y, n_x, action size): the actor's action."""


class NetworkWeights(NamedTuple):
    """All numbers that the actor and the critic compute with after `step` agent steps."""

    step: int
    """Agent steps of training so far."""
    values: FloatArray
    """Shape (n,), in the order of `TrainingHistory.networks`."""


@dataclass(frozen=True)
class GridAxes:
    """The axes of the state grid, in the environment's units and with its names."""

    x: FloatArray
    """Shape (n_x,)."""
    y: FloatArray
    """Shape (n_y,); one value if states have one dimension."""
    x_dimension: int
    y_dimension: int
    action_dimension: int
    n_actions: int = 11
    """Actions over which Q is maximised, evenly spaced over the action's range."""
    reference_state: FloatArray = field(default_factory=lambda: np.zeros(0))
    """Shape (observation size,): the values of the other dimensions; empty where they are not known."""


@dataclass(repr=False)
class TrainingHistory:
    """All episodes and snapshots of a training, in order.

    A test episode has the number of the training episode before it. Names label the dimensions in pictures.
    """

    observation_names: tuple[str, ...]
    action_names: tuple[str, ...]
    action_low: FloatArray
    action_high: FloatArray
    reward_threshold: float | None = None
    """Return from which the environment counts as solved."""
    training_episodes: list[EpisodeHistory] = field(default_factory=list)
    test_episodes: list[EpisodeHistory] = field(default_factory=list)
    snapshots: MutableSequence[Snapshot] = field(default_factory=list)
    weights: MutableSequence[NetworkWeights] = field(default_factory=list)
    """At some of the snapshots, and at the end of a training."""
    grid: GridAxes | None = None
    """Axes of the snapshots; `None` before the first."""
    networks: dict[str, Any] | None = None
    """What the networks compute with their weights, as JSON values; see `ddpg.algorithm.operations`."""

    def __repr__(self) -> str:
        return (
            f"TrainingHistory({len(self.training_episodes)} training episodes, {self.n_steps:,} agent steps, "
            f"{len(self.test_episodes)} test episodes, {len(self.snapshots)} snapshots)"
        )

    @property
    def n_steps(self) -> int:
        """Agent steps in training episodes."""
        return self.training_episodes[-1].last_step if self.training_episodes else 0

    @property
    def lengths(self) -> tuple[int, int, int, int]:
        """Training episodes, test episodes, snapshots and weights so far."""
        return len(self.training_episodes), len(self.test_episodes), len(self.snapshots), len(self.weights)

    def since(self, lengths: Sequence[int]) -> "TrainingHistory":
        """What came after the history had these lengths."""
        n_training, n_test, n_snapshots, n_weights = lengths
        return replace(
            self,
            training_episodes=self.training_episodes[n_training:],
            test_episodes=self.test_episodes[n_test:],
            snapshots=self.snapshots[n_snapshots:],
            weights=self.weights[n_weights:],
        )

    def extend(self, later: "TrainingHistory") -> None:
        """Appends what `since` returned."""
        self.training_episodes += later.training_episodes
        self.test_episodes += later.test_episodes
        self.snapshots += later.snapshots
        self.weights += later.weights
        self.grid, self.networks = later.grid, later.networks

    def save(self, path: Path) -> None:
        """Writes an `.npz` file whose bytes depend on the history alone."""
        save_arrays(path, self.to_arrays())

    def to_arrays(self) -> dict[str, Any]:
        """Returns the history as named arrays, for `save_arrays`; of what lies on disk, as `Blocks`."""
        arrays: dict[str, Any] = {
            "observation_names": np.array(self.observation_names),
            "action_names": np.array(self.action_names),
            "action_low": self.action_low,
            "action_high": self.action_high,
            "reward_threshold": np.array(np.nan if self.reward_threshold is None else self.reward_threshold),
        }
        arrays |= _stack_episodes("training", self.training_episodes)
        arrays |= _stack_episodes("test", self.test_episodes)
        if self.grid is not None:
            arrays |= {f"grid_{name}": np.asarray(value) for name, value in vars(self.grid).items()}
        if self.snapshots:
            arrays |= {f"snapshot_{name}": _stacked(self.snapshots, name) for name in Snapshot._fields}
        if self.networks is not None:
            arrays["networks"] = np.array(json.dumps(self.networks))
        if self.weights:
            arrays |= {f"weights_{name}": _stacked(self.weights, name) for name in NetworkWeights._fields}
        return arrays

    @classmethod
    def load(cls, path: Path) -> "TrainingHistory":
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            DamagedFileError: The file holds something else; the message names it.
        """
        arrays = load_arrays(path)
        try:
            return cls.from_arrays(arrays)
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise DamagedFileError(
                f"{path}: expected a training history, received something else ({error!r})"
            ) from error

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "TrainingHistory":
        """Restores what `to_arrays` returned.

        Raises:
            KeyError, ValueError, IndexError, TypeError: The arrays are not a history.
        """
        for name, array in arrays.items():
            is_text = name.endswith("_names") or name == "networks"
            if (array.dtype.kind == "U") != is_text:
                raise ValueError(f"{name}: expected {'texts' if is_text else 'numbers'}")
        threshold = float(arrays["reward_threshold"])
        history = cls(
            observation_names=tuple(arrays["observation_names"].tolist()),
            action_names=tuple(arrays["action_names"].tolist()),
            action_low=arrays["action_low"],
            action_high=arrays["action_high"],
            reward_threshold=None if np.isnan(threshold) else threshold,
            training_episodes=_split_episodes("training", arrays),
            test_episodes=_split_episodes("test", arrays),
        )
        if "grid_x" in arrays:
            stored = {name: arrays[f"grid_{name}"] for name in GridAxes.__annotations__ if f"grid_{name}" in arrays}
            axes: dict[str, Any] = {name: value if value.ndim else int(value) for name, value in stored.items()}
            history.grid = GridAxes(**axes)
        if "snapshot_step" in arrays:
            columns = [arrays[f"snapshot_{name}"] for name in Snapshot._fields]
            history.snapshots = [
                Snapshot(int(step), int(episode), *grids) for step, episode, *grids in zip(*columns, strict=True)
            ]
        if "networks" in arrays:
            history.networks = json.loads(arrays["networks"].item())
        if "weights_step" in arrays:
            steps, values = arrays["weights_step"].tolist(), arrays["weights_values"]
            history.weights = [NetworkWeights(*weights) for weights in zip(steps, values, strict=True)]
        history._check_sizes()
        return history

    def _check_sizes(self) -> None:
        n_actions = len(self.action_names)
        if not self.action_low.shape == self.action_high.shape == (n_actions,):
            raise ValueError(f"action_low, action_high: expected limits of {n_actions} dimensions")
        if self.grid is None:
            return
        # Where states have one dimension, there is none along y.
        drawn = [self.grid.x_dimension, *([self.grid.y_dimension] if len(self.grid.y) > 1 else [])]
        if max(drawn) >= len(self.observation_names) or self.grid.action_dimension >= n_actions:
            raise ValueError("grid: expected dimensions of states and actions")
        if self.grid.reference_state.shape not in ((0,), (len(self.observation_names),)):
            raise ValueError("grid: expected a reference state with all dimensions")
        plane = (len(self.grid.y), len(self.grid.x))
        shapes = [plane] * 3 + [(*plane, n_actions)] * 2
        if any([values.shape for values in snapshot[2:]] != shapes for snapshot in self.snapshots):
            raise ValueError(f"snapshots: expected planes of shape {plane}")
        n_weights = self.networks["n_weights"] if self.networks else 0
        if any(weights.values.shape != (n_weights,) for weights in self.weights):
            raise ValueError(f"weights: expected vectors of {n_weights} numbers")


def save_episodes(path: Path, episodes: Sequence[EpisodeHistory]) -> None:
    """Writes episodes to an `.npz` file whose bytes depend on them alone."""
    arrays: dict[str, Any] = _stack_episodes("episodes", episodes)
    save_arrays(path, arrays)


def load_episodes(path: Path) -> list[EpisodeHistory]:
    """Reads what `save_episodes` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: The file holds something else; the message names it.
    """
    arrays = load_arrays(path)
    try:
        return _split_episodes("episodes", arrays)
    except (KeyError, ValueError, IndexError) as error:
        raise DamagedFileError(f"{path}: expected episodes, received something else ({error!r})") from error


_SCALARS = ("episode", "epsilon", "first_step", "environment_steps", "terminated", "truncated")


def _column(records: Iterable[Any], name: str) -> list[Any]:
    return [getattr(record, name) for record in records]


def _stacked(records: Sequence[Any], name: str) -> Any:
    return records.column(name) if isinstance(records, DiskList) else np.stack(_column(records, name))


def _stack_episodes(prefix: str, episodes: Sequence[EpisodeHistory]) -> dict[str, NDArray[Any]]:
    """Concatenates episodes, and keeps their lengths."""
    if not episodes:
        return {}
    arrays = {f"{prefix}_{name}": np.array(_column(episodes, name)) for name in _SCALARS}
    for name in ("observations", "actions", "rewards"):
        arrays[f"{prefix}_{name}"] = np.concatenate(_column(episodes, name))
    arrays[f"{prefix}_n_steps"] = np.array(_column(episodes, "n_steps"))
    if any(episode.is_success is not None for episode in episodes):
        arrays[f"{prefix}_is_success"] = np.array(_column(episodes, "is_success"), np.float64)  # NaN: unknown
    return arrays


def _split_episodes(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> list[EpisodeHistory]:
    if f"{prefix}_n_steps" not in arrays:
        return []
    lengths = arrays[f"{prefix}_n_steps"]
    ends = np.cumsum(lengths)[:-1]
    steps = {name: np.split(arrays[f"{prefix}_{name}"], ends) for name in ("actions", "rewards")}
    successes = arrays.get(f"{prefix}_is_success", np.full(len(lengths), np.nan))
    steps["observations"] = np.split(arrays[f"{prefix}_observations"], np.cumsum(lengths + 1)[:-1])
    return [
        EpisodeHistory(
            observations=steps["observations"][i],
            actions=steps["actions"][i],
            rewards=steps["rewards"][i],
            is_success=None if np.isnan(successes[i]) else bool(successes[i]),
            **{name: arrays[f"{prefix}_{name}"][i].item() for name in _SCALARS},
        )
        for i in range(len(lengths))
    ]
