"""The networks with their targets and optimizers, as one state that each update replaces."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddpg.algorithm.compiled import LearnerState, compiled_update, flat_weights, initial_parts
from ddpg.algorithm.update import LearnerParts
from ddpg.config import AgentConfig
from ddpg.files import DamagedFileError, replacing
from ddpg.numerics.backend import keras, tf


class Learner:
    """Holds the state that updates change; the compiled functions are shared (see `compiled`).

    Args:
        observation_size: Dimensions of an observation.
        action_size: Dimensions of an action.
        config: Sizes, step sizes and everything else that an update depends on.
        rng: Source of the initial weights.
    """

    def __init__(self, observation_size: int, action_size: int, config: AgentConfig, rng: np.random.Generator) -> None:
        self.compiled = compiled_update(observation_size, action_size, config)
        self.state: LearnerState = self.compiled.initial_state(rng)
        self.set_step_sizes(config.lr_actor, config.lr_critic)

    def set_step_sizes(self, actor: float, critic: float) -> None:
        """Sets Adam's step sizes of the next updates; nothing is recompiled."""
        self._step_sizes = tf.constant([actor, critic], tf.float32)

    def update(
        self, rows: NDArray[np.float32], target_noise: NDArray[np.float32] | None = None, *, moves_actor: bool = True
    ) -> Any:
        """Learns from a batch of `ReplayBuffer.sample`; returns a tensor of the values of `UpdateMetrics`.

        See `CompiledUpdate.update`.
        """
        self.state, metrics = self.compiled.update(
            self.state, rows, self._step_sizes, target_noise, moves_actor=moves_actor
        )
        return metrics

    def evaluate_grid(
        self, states: NDArray[np.float32], action_line: NDArray[np.float32], action_dimension: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Q along the action line, dQ/da at the policy's action and the policy's action; see `update`."""
        values = self.compiled.evaluate_grid(self.state, states, action_line, action_dimension).numpy()
        q, gradient, policy = np.split(values, [len(action_line), values.shape[1] - self.compiled.action_size], axis=1)
        return q, gradient, policy

    @property
    def parts(self) -> LearnerParts:
        """The state as arrays: views, valid until the next update."""
        return self.compiled.unpack(LearnerState(*(np.asarray(vector) for vector in self.state)))

    def actor_weights(self) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
        """The actor's weights and its batch-norm statistics, as views in Keras' order."""
        return self.compiled.actor_views(np.asarray(self.state.floats))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The state and the step sizes as arrays, copied."""
        vectors = self.state._asdict() | {"step_sizes": self._step_sizes}
        return {name: vector.numpy() for name, vector in vectors.items()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restores what `state_dict` returned.

        Raises:
            ValueError: It is that of networks of other sizes.
        """
        for name, present in self.state._asdict().items():
            if state[name].shape != present.shape:
                raise ValueError(f"{name}: expected shape {present.shape}, received {state[name].shape}")
        self.state = LearnerState(tf.constant(state["floats"]), tf.constant(state["integers"]))
        self._step_sizes = tf.constant(state["step_sizes"])

    def networks(self) -> dict[str, keras.Model]:
        """New Keras models with the present weights: actor, critic, target_actor, target_critic.

        With two critics also critic_2 and target_critic_2.
        """
        parts = self.parts
        models: dict[str, keras.Model] = {}
        for prefix in ("", "target_"):
            actor, critics = self.compiled.make_networks(np.random.default_rng(0))
            for name, model, part in zip(self._names, (actor, *critics), (parts.actor, *parts.critics), strict=True):
                _assign(model, part.target if prefix else part.weights, part.statistics)
                models[f"{prefix}{name}"] = model
        return models

    def critic_layers(self) -> dict[str, tuple[NDArray[np.float32], ...]]:
        """The first critic's arrays by the names of its layers, as `saved_agent.read_network` returns them."""
        layers = self.networks()["critic"].layers
        dropout = keras.layers.Dropout  # whose only array is a seed
        return {
            each.name: tuple(each.get_weights()) for each in layers if each.weights and not isinstance(each, dropout)
        }

    @property
    def _names(self) -> list[str]:
        n_critics = self.compiled.settings.n_critics
        return ["actor", "critic", *(f"critic_{i}" for i in range(2, n_critics + 1))]

    def save_weights(self, folder: Path) -> None:
        """Writes the networks, one `.weights.h5` each."""
        for name, model in self.networks().items():
            with replacing(folder / f"{name}.weights.h5") as temporary:
                # On a full disk HDF5 can crash the process, so the space is claimed first.
                temporary.write_bytes(bytes(_most_bytes(model)))
                model.save_weights(temporary)

    def load_weights(self, folder: Path) -> None:
        """Loads what `save_weights` wrote, and resets the optimizers.

        Raises:
            FileNotFoundError: A file is missing.
            DamagedFileError: A file does not hold the weights of this configuration; the message names it.
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
        parts = initial_parts(models["actor"], [models[name] for name in self._names[1:]])
        actor, *critics = (
            part._replace(target=flat_weights(models[f"target_{name}"]))
            for name, part in zip(self._names, (parts.actor, *parts.critics), strict=True)
        )
        self.state = self.compiled.pack(LearnerParts(actor, tuple(critics)))


def _most_bytes(model: keras.Model) -> int:
    """An upper bound of the size of a weights file, in bytes."""
    return 65_536 + sum(8_192 + 4 * int(np.prod(variable.shape)) for variable in model.variables)


def _assign(model: keras.Model, weights: NDArray[np.float32], statistics: Any) -> None:
    shapes = [variable.shape for variable in model.trainable_variables]
    arrays = np.split(weights, np.cumsum([np.prod(shape) for shape in shapes])[:-1])
    for variable, array in zip(model.trainable_variables, arrays, strict=True):
        variable.assign(array.reshape(variable.shape))
    for variable, array in zip(model.non_trainable_variables, statistics, strict=True):
        variable.assign(array)
