"""The update, compiled: the learner's state as two tensors, and calls that cost little more than the computation.

At these network sizes TensorFlow's own overhead for a call, and for each tensor in it, is of the order of the
computation itself.
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddpg.algorithm.networks import PureNetwork, make_actor, make_critic
from ddpg.algorithm.replay_buffer import Transition
from ddpg.algorithm.update import (
    AdamState,
    LearnerParts,
    Networks,
    NetworkState,
    StepSizes,
    UpdateMetrics,
    evaluate_grid,
    update,
)
from ddpg.config import AgentConfig
from ddpg.numerics.backend import keras, start_xla, tf

_ALIGNMENT = 64  # bytes, as TensorFlow aligns its own tensors
COMPILED_SETTINGS = frozenset(
    {
        "actor_gradient", "tau_actor", "tau_critic",
        "hidden_layer_sizes_actor", "hidden_layer_sizes_critic", "hidden_layer_sizes_joint", "join_critic",
        "activation_fn_actor", "relu_alpha_actor", "relu_alpha_critic", "l2_reg_actor", "l2_reg_critic",
        "bn_momentum_actor", "bn_momentum_critic", "bn_observations", "layer_norm_actor", "layer_norm_critic",
        "dropout_actor", "dropout_critic", "initializer", "output_init_range",
        "n_critics", "weight_decay_critic", "gradient_clip_norm",
    }
)  # fmt: skip
"""Settings that are constants of the compiled code; agents that differ in others share it."""


class LearnerState(NamedTuple):
    """`LearnerParts` as two tensors."""

    floats: Any
    """Shape (n,), float32: weights, batch-norm statistics, optimizer moments; the actor's come first."""
    integers: Any
    """Shape (m,), int64: optimizer steps and dropout seeds."""


class CompiledUpdate:
    """The compiled functions for networks of one configuration. It holds no weights: learners share it.

    Args:
        observation_size: Dimensions of an observation.
        action_size: Dimensions of an action.
        config: Settings that are not in `COMPILED_SETTINGS` have no effect.
    """

    def __init__(self, observation_size: int, action_size: int, config: AgentConfig) -> None:
        start_xla()
        self.observation_size = observation_size
        self.action_size = action_size
        # Reading any other setting raises an AttributeError: it would be that of whoever compiled first.
        self.settings: Any = SimpleNamespace(**{name: getattr(config, name) for name in COMPILED_SETTINGS})
        actor, critics = self.make_networks(np.random.default_rng(0))
        self.networks = Networks(PureNetwork(actor), PureNetwork(critics[0]))
        self._template = initial_parts(actor, critics)
        self._calls: dict[tuple[Any, ...], Callable[..., Sequence[Any]]] = {}
        statistics = [part.shape for part in self._template.actor.statistics if part.dtype.kind == "f"]
        shapes = [*self.networks.actor.shapes, *statistics]
        ends = list(itertools.accumulate(math.prod(shape) for shape in shapes))
        self._actor_places = list(zip([0, *ends[:-1]], ends, shapes, strict=True))

    def make_networks(self, rng: np.random.Generator) -> tuple[keras.Model, list[keras.Model]]:
        """A new actor and new critics."""
        sizes = self.observation_size, self.action_size
        actor = make_actor(*sizes, self.settings, rng)
        return actor, [make_critic(*sizes, self.settings, rng) for _ in range(self.settings.n_critics)]

    def initial_state(self, rng: np.random.Generator) -> LearnerState:
        """The state of new networks."""
        return self.pack(initial_parts(*self.make_networks(rng)))

    def pack(self, parts: LearnerParts) -> LearnerState:
        """The state of these parts."""
        vectors: dict[bool, list[Any]] = {True: [], False: []}
        for part, template in zip(tf.nest.flatten(parts), tf.nest.flatten(self._template), strict=True):
            is_float = template.dtype.kind == "f"
            vectors[is_float].append(tf.reshape(tf.cast(part, tf.float32 if is_float else tf.int64), [-1]))
        return LearnerState(tf.concat(vectors[True], 0), tf.concat(vectors[False], 0))

    def unpack(self, state: LearnerState) -> LearnerParts:
        """The parts of this state; views if its vectors are NumPy arrays."""
        position = {True: 0, False: 0}
        parts = []
        for template in tf.nest.flatten(self._template):
            is_float = template.dtype.kind == "f"
            start = position[is_float]
            position[is_float] = end = start + template.size
            vector = state.floats if is_float else state.integers
            parts.append(vector[start:end] if template.ndim == 1 else vector[start])
        nested: LearnerParts = tf.nest.pack_sequence_as(self._template, parts)
        return nested

    def actor_views(self, floats: NDArray[np.float32]) -> tuple[list[Any], list[Any]]:
        """The actor's weights and batch-norm statistics in `LearnerState.floats`; cheap enough for every agent step."""
        views = [floats[start:end].reshape(shape) for start, end, shape in self._actor_places]
        n_weights = len(self.networks.actor.shapes)
        return views[:n_weights], views[n_weights:]

    def update(
        self,
        state: LearnerState,
        rows: NDArray[np.float32],
        step_sizes: Any,
        target_noise: NDArray[np.float32] | None = None,
        *,
        moves_actor: bool = True,
    ) -> tuple[LearnerState, Any]:
        """One update; see `ddpg.algorithm.update.update`.

        Args:
            state: The learner's state.
            rows: A batch as `ReplayBuffer.sample` gives it, shape (n, row width).
            step_sizes: Those of actor and critic, a float32 tensor of shape (2,).
            target_noise: Shape (n, action size), in the networks' units.
            moves_actor: Whether actor and targets move too.

        Returns:
            The next state; and the values of `UpdateMetrics`, shape (number of fields,).
        """
        noise = () if target_noise is None else (_as_tensor(target_noise),)
        name = "_update" if moves_actor else "_update_critics"
        floats, integers, metrics = self._call(name, *state, _as_tensor(rows), step_sizes, *noise)
        return LearnerState(floats, integers), metrics

    def evaluate_grid(
        self, state: LearnerState, states: NDArray[Any], action_line: NDArray[Any], action_dimension: int
    ) -> Any:
        """The networks on a grid of states; see `ddpg.algorithm.update.evaluate_grid`."""
        dimension = np.array(action_dimension, np.int32)
        (values,) = self._call("_evaluate_grid", *state, *map(_as_tensor, (states, action_line, dimension)))
        return values

    def _call(self, name: str, *tensors: Any) -> Sequence[Any]:
        key = name, *(tensor.shape for tensor in tensors)
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = compiled(getattr(self, name), tensors)
        return call(*tensors)

    def _update_critics(self, *tensors: Any) -> tuple[Any, ...]:
        return self._update(*tensors, moves_actor=False)

    def _update(
        self,
        floats: Any,
        integers: Any,
        rows: Any,
        step_sizes: Any,
        target_noise: Any = None,
        *,
        moves_actor: bool = True,
    ) -> tuple[Any, ...]:
        parts = self.unpack(LearnerState(floats, integers))
        batch = Transition.from_rows(rows, self.observation_size, self.action_size)
        sizes = StepSizes(step_sizes[0], step_sizes[1])
        parts, report = update(
            self.networks, parts, batch, sizes, self.settings, target_noise=target_noise, moves_actor=moves_actor
        )
        return *self.pack(parts), tf.stack([getattr(report, name) for name in UpdateMetrics._fields])

    def _evaluate_grid(
        self, floats: Any, integers: Any, states: Any, action_line: Any, action_dimension: Any
    ) -> tuple[Any, ...]:
        parts = self.unpack(LearnerState(floats, integers))
        return (evaluate_grid(self.networks, parts, states, action_line, action_dimension),)


def compiled_update(observation_size: int, action_size: int, config: AgentConfig) -> CompiledUpdate:
    """The `CompiledUpdate` of these settings, compiled once per process."""
    return _compiled_update(
        observation_size, action_size, AgentConfig(**config.model_dump(include=set(COMPILED_SETTINGS)))
    )


_compiled_update = functools.lru_cache(maxsize=8)(CompiledUpdate)


def compiled(function: Callable[..., Sequence[Any]], example: Sequence[Any]) -> Callable[..., Sequence[Any]]:
    """A function of tensors, compiled by XLA for tensors of one shape.

    A call of what `tf.function` returns binds and checks its arguments each time, which takes a third of an update's
    time. TensorFlow has a way around it, seen in 2.21, which is no part of its API: without it calls are slower, and
    compute the same.

    Args:
        function: From tensors to a sequence of tensors.
        example: Tensors like those that it will be called with.
    """
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in example]
    traced = tf.function(function, jit_compile=True, autograph=False).get_concrete_function(*specs)
    fast: Callable[..., Sequence[Any]] | None = getattr(getattr(traced, "inference_fn", None), "call_flat", None)
    return traced if fast is None else fast


def initial_parts(actor: keras.Model, critics: Sequence[keras.Model]) -> LearnerParts:
    """These networks, targets equal to them, and optimizers that have made no step."""
    return LearnerParts(_initial_state(actor), tuple(map(_initial_state, critics)))


def flat_weights(model: keras.Model) -> Any:
    """The model's trainable weights as one vector."""
    return np.concatenate([np.ravel(variable) for variable in _arrays(model.trainable_variables)])


def _initial_state(model: keras.Model) -> NetworkState:
    weights = flat_weights(model)
    optimizer = AdamState(np.int64(0), np.zeros_like(weights), np.zeros_like(weights))
    return NetworkState(weights, _arrays(model.non_trainable_variables), weights, optimizer)


def _arrays(variables: Sequence[Any]) -> list[Any]:
    return [variable.numpy() for variable in variables]


def _as_tensor(array: NDArray[Any]) -> Any:
    """As `tf.convert_to_tensor`, whose conversion takes a tenth of an update; this one is zero-copy."""
    memory = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
    # TensorFlow accepts any address, but its code crashes if one is not aligned.
    start = -memory.ctypes.data % _ALIGNMENT
    aligned = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    aligned[...] = array
    return tf.experimental.dlpack.from_dlpack(aligned.__dlpack__())
