"""The four networks and their optimizers, as one state that each update replaces."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddpg.algorithm.update import LearnerParts, LearnerState, flat_weights, make_update_rule
from ddpg.config import AgentConfig
from ddpg.files import DamagedFileError, replacing
from ddpg.numerics.backend import keras


class UpdateMetrics(NamedTuple):
    """What one update reports, or the mean over several."""

    critic_loss: float
    """Mean squared temporal-difference error plus the L2 penalty, in units of the normalised reward squared."""
    actor_loss: float
    """What the actor descends: with `actor_gradient: policy` minus the mean Q of its actions, plus the L2 penalty."""
    mean_q: float
    """Mean Q of the batch's actions, in units of the normalised reward."""


class Learner:
    """Holds the state; the functions on it are compiled once and shared (see `update`).

    Args:
        observation_size: Dimensions of an observation.
        action_size: Dimensions of an action.
        config: Sizes, step sizes and all that an update depends on.
        rng: Source of the initial weights.
    """

    def __init__(self, observation_size: int, action_size: int, config: AgentConfig, rng: np.random.Generator) -> None:
        self.rule = make_update_rule(observation_size, action_size, config)
        self.state: LearnerState = self.rule.initial_state(rng)

    def update(self, rows: NDArray[np.float32]) -> Any:
        """Learns from a batch, as `ReplayBuffer.sample` gives it; returns `UpdateMetrics` as a tensor of shape (3,)."""
        self.state, metrics = self.rule.update(self.state, rows)
        return metrics

    def evaluate_grid(
        self, states: NDArray[np.float32], action_line: NDArray[np.float32], action_dimension: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Q along the action line, dQ/da at the policy's action and the policy's action; see `update`."""
        values = self.rule.evaluate_grid(self.state, states, action_line, action_dimension).numpy()
        q, gradient, policy = np.split(values, [len(action_line), values.shape[1] - self.rule.action_size], axis=1)
        return q, gradient, policy

    @property
    def parts(self) -> LearnerParts:
        """The state as arrays: views, valid until the next update."""
        return self.rule.unpack(LearnerState(*(np.asarray(vector) for vector in self.state)))

    def actor_weights(self) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
        """The actor's weights and its batch-norm statistics, as views in Keras' order."""
        floats = np.asarray(self.state.floats)
        return self.rule.actor_views(floats)

    def networks(self) -> dict[str, keras.Model]:
        """New Keras models with the present weights: actor, critic, target_actor, target_critic."""
        parts = self.parts
        models: dict[str, keras.Model] = {}
        for prefix in ("", "target_"):
            actor, critic = self.rule.make_networks(np.random.default_rng(0))
            _assign(actor, getattr(parts, f"{prefix}actor"), parts.actor_statistics)
            _assign(critic, getattr(parts, f"{prefix}critic"), parts.critic_statistics)
            models |= {f"{prefix}actor": actor, f"{prefix}critic": critic}
        return models

    def save_weights(self, folder: Path) -> None:
        """Writes the networks, one `.weights.h5` each."""
        for name, model in self.networks().items():
            with replacing(folder / f"{name}.weights.h5") as temporary:
                # Where the disk is full, HDF5 can crash the process: whether there is space is tried before.
                temporary.write_bytes(bytes(_most_bytes(model)))
                model.save_weights(temporary)

    def load_weights(self, folder: Path) -> None:
        """Reads what `save_weights` wrote; the optimizers start anew.

        Raises:
            FileNotFoundError: A file is missing.
            ValueError: A file does not hold the weights of this configuration; the message names it.
        """
        models = self.networks()
        for name, model in models.items():
            path = folder / f"{name}.weights.h5"
            if not path.exists():
                raise FileNotFoundError(f"{path}: expected a saved network, found no file")
            try:
                model.load_weights(path)
            except (OSError, KeyError, ValueError) as error:
                raise DamagedFileError(f"{path}: expected the weights of the configured {name} ({error})") from error
        parts = self.rule.initial_parts(models["actor"], models["critic"])
        self.state = self.rule.pack(
            parts._replace(
                target_actor=flat_weights(models["target_actor"]), target_critic=flat_weights(models["target_critic"])
            )
        )


def _most_bytes(model: keras.Model) -> int:
    """An upper bound of the size of a file with the weights."""
    return 65_536 + sum(8_192 + 4 * int(np.prod(variable.shape)) for variable in model.variables)


def _assign(model: keras.Model, weights: NDArray[np.float32], statistics: Any) -> None:
    shapes = [variable.shape for variable in model.trainable_variables]
    arrays = np.split(weights, np.cumsum([np.prod(shape) for shape in shapes])[:-1])
    for variable, array in zip(model.trainable_variables, arrays, strict=True):
        variable.assign(array.reshape(variable.shape))
    for variable, array in zip(model.non_trainable_variables, statistics, strict=True):
        variable.assign(array)
