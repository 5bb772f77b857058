"""The DDPG update: a pure function, compiled once, from the learner's whole state and a batch to the next state.

Lillicrap et al., "Continuous control with deep reinforcement learning", 2015, arXiv:1509.02971, algorithm 1.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddpg.algorithm.networks import make_actor, make_critic
from ddpg.algorithm.replay_buffer import Transition
from ddpg.config import AgentConfig
from ddpg.numerics.backend import keras, start_xla, tf
from ddpg.numerics.dense import with_own_products

_ALIGNMENT = 64  # bytes, as TensorFlow aligns its own tensors
ADAM_BETA_1, ADAM_BETA_2, ADAM_EPSILON = 0.9, 0.999, 1e-7


class LearnerState(NamedTuple):
    """Everything that an update reads and writes, as two tensors: a call costs time for each that it is given."""

    floats: Any
    """Shape (n,), float32: weights, batch-norm statistics, optimizer moments."""
    integers: Any
    """Shape (m,), int64: optimizer steps and dropout seeds."""


class LearnerParts(NamedTuple):
    """A `LearnerState` taken apart. Targets use the batch-norm statistics of their network, not a mixture by τ."""

    actor: Any
    """Shape (actor weights,)."""
    actor_statistics: Sequence[Any]
    """Batch-norm means and variances, dropout seeds."""
    critic: Any
    """Shape (critic weights,)."""
    critic_statistics: Sequence[Any]
    target_actor: Any
    target_critic: Any
    actor_optimizer: "AdamState"
    critic_optimizer: "AdamState"


class AdamState(NamedTuple):
    """What Adam remembers of n weights."""

    step: Any
    """Steps made, shape (), int64."""
    mean: Any
    """Running mean of the gradient, shape (n,)."""
    square: Any
    """Running mean of the squared gradient, shape (n,)."""


def temporal_difference_target(reward: Any, terminal: Any, next_q: Any, discount_factor: float) -> Any:
    """Y = r + γ (1 − terminal) Q′(s′, μ′(s′)), all of shape (n, 1)."""
    return reward + discount_factor * (1 - terminal) * next_q


def soft_update(target: Any, online: Any, tau: float) -> Any:
    """θ′ ← τ θ + (1 − τ) θ′."""
    return tau * online + (1 - tau) * target


def adam(weights: Any, gradient: Any, state: AdamState, learning_rate: float) -> tuple[Any, AdamState]:
    """Kingma & Ba, 2015, arXiv:1412.6980, section 2's efficient form; constants as Keras has them.

    Written out since Keras optimizers have no stateless form on TensorFlow.
    """
    step = state.step + 1
    mean = ADAM_BETA_1 * state.mean + (1 - ADAM_BETA_1) * gradient
    square = ADAM_BETA_2 * state.square + (1 - ADAM_BETA_2) * gradient**2
    t = tf.cast(step, tf.float32)
    step_size = learning_rate * tf.sqrt(1 - ADAM_BETA_2**t) / (1 - ADAM_BETA_1**t)
    return weights - step_size * mean / (tf.sqrt(square) + ADAM_EPSILON), AdamState(step, mean, square)


class PureNetwork:
    """A Keras model as a function of one vector of weights."""

    def __init__(self, model: keras.Model) -> None:
        self.model = with_own_products(model)
        self.shapes = [variable.shape for variable in model.trainable_variables]

    def __call__(
        self, weights: Any, statistics: Sequence[Any], *inputs: Any, training: bool
    ) -> tuple[Any, Sequence[Any], Any]:
        """Outputs, new statistics, and the sum of the weights' penalties."""
        # tf.split, not slices: its gradient is one concatenation instead of a padded vector per variable.
        parts = tf.split(weights, [math.prod(shape) for shape in self.shapes])
        tensors = [tf.reshape(part, shape) for part, shape in zip(parts, self.shapes, strict=True)]
        outputs, statistics, penalties = self.model.stateless_call(
            tensors, statistics, inputs[0] if len(inputs) == 1 else list(inputs), training=training, return_losses=True
        )
        return outputs, statistics, tf.add_n(penalties)

    def predict(self, weights: Any, statistics: Sequence[Any], *inputs: Any) -> Any:
        """Outputs alone, with batch norm's running statistics and without dropout."""
        return self(weights, statistics, *inputs, training=False)[0]


class UpdateRule:
    """The compiled functions for networks of one configuration. It holds no weights: learners may share it."""

    def __init__(self, observation_size: int, action_size: int, config: AgentConfig) -> None:
        start_xla()
        self.observation_size = observation_size
        self.action_size = action_size
        self.config = config
        actor, critic = self.make_networks(np.random.default_rng(0))
        self.actor, self.critic = PureNetwork(actor), PureNetwork(critic)
        self._template = self.initial_parts(actor, critic)
        self._compiled: dict[tuple[Any, ...], Any] = {}
        statistics = [part.shape for part in self._template.actor_statistics if part.dtype.kind == "f"]
        shapes = [*self.actor.shapes, *statistics]
        ends = list(itertools.accumulate(math.prod(shape) for shape in shapes))
        self._actor_places = list(zip([0, *ends[:-1]], ends, shapes, strict=True))

    def make_networks(self, rng: np.random.Generator) -> tuple[keras.Model, keras.Model]:
        """A new actor and a new critic."""
        sizes = self.observation_size, self.action_size
        return make_actor(*sizes, self.config, rng), make_critic(*sizes, self.config, rng)

    def initial_state(self, rng: np.random.Generator) -> LearnerState:
        """`initial_parts` of new networks."""
        return self.pack(self.initial_parts(*self.make_networks(rng)))

    def initial_parts(self, actor: keras.Model, critic: keras.Model) -> LearnerParts:
        """These networks, targets equal to them, and optimizers that have made no step."""
        actor_weights, critic_weights = flat_weights(actor), flat_weights(critic)
        return LearnerParts(
            actor=actor_weights,
            actor_statistics=_arrays(actor.non_trainable_variables),
            critic=critic_weights,
            critic_statistics=_arrays(critic.non_trainable_variables),
            target_actor=actor_weights,
            target_critic=critic_weights,
            actor_optimizer=_adam_at_start(actor_weights),
            critic_optimizer=_adam_at_start(critic_weights),
        )

    def pack(self, parts: LearnerParts) -> LearnerState:
        """The state of these parts."""
        vectors: dict[bool, list[Any]] = {True: [], False: []}
        for part, template in zip(tf.nest.flatten(parts), tf.nest.flatten(self._template), strict=True):
            is_float = template.dtype.kind == "f"
            vectors[is_float].append(tf.reshape(tf.cast(part, tf.float32 if is_float else tf.int64), [-1]))
        return LearnerState(tf.concat(vectors[True], 0), tf.concat(vectors[False], 0))

    def unpack(self, state: LearnerState) -> LearnerParts:
        """The parts of this state; views where its vectors are NumPy arrays."""
        position = {True: 0, False: 0}
        parts = []
        for template in tf.nest.flatten(self._template):
            is_float = template.dtype.kind == "f"
            start = position[is_float]
            position[is_float] = end = start + template.size
            vector = state.floats if is_float else state.integers
            parts.append(vector[start:end] if template.ndim == 1 else vector[start])
        return LearnerParts(*tf.nest.pack_sequence_as(self._template, parts))

    def actor_views(self, floats: NDArray[np.float32]) -> tuple[list[Any], list[Any]]:
        """The actor's weights and batch-norm statistics in `LearnerState.floats`; cheap enough for every agent step."""
        views = [floats[start:end].reshape(shape) for start, end, shape in self._actor_places]
        return views[: len(self.actor.shapes)], views[len(self.actor.shapes) :]

    def update(self, state: LearnerState, rows: NDArray[np.float32]) -> tuple[LearnerState, Any]:
        """One step of the critic, one of the actor and a soft update of both targets.

        Args:
            state: The learner's state.
            rows: A batch as `ReplayBuffer.sample` gives it.

        Returns:
            The next state, and the critic's loss, the actor's loss and the batch's mean Q, shape (3,).
        """
        floats, integers, metrics = self._call("_update", state, rows)
        return LearnerState(floats, integers), metrics

    def _call(self, name: str, state: LearnerState, *arrays: NDArray[Any]) -> Any:
        """What a compiled method returns for a state and NumPy arrays, as a list of tensors."""
        key = name, *(array.shape for array in arrays)
        compiled = self._compiled.get(key)
        if compiled is None:
            specs = [tf.TensorSpec(array.shape, array.dtype) for array in arrays]
            traced = getattr(self, name).get_concrete_function(*self.pack(self._template), *specs)
            # Calling the method itself would bind and check its arguments each time, for a third of an update's time.
            compiled = self._compiled[key] = traced.inference_fn.call_flat
        return compiled(*state, *map(_as_tensor, arrays))

    @tf.function(jit_compile=True, autograph=False)
    def _update(self, floats: Any, integers: Any, rows: Any) -> tuple[Any, Any, Any]:
        """`update` on tensors."""
        old = self.unpack(LearnerState(floats, integers))
        batch = Transition.from_rows(rows, self.observation_size, self.action_size)

        next_action = self.actor.predict(old.target_actor, old.actor_statistics, batch.next_observation)
        next_q = self.critic.predict(old.target_critic, old.critic_statistics, batch.next_observation, next_action)
        target = temporal_difference_target(batch.reward, batch.terminal, next_q, self.config.discount_factor)
        with tf.GradientTape() as tape:
            tape.watch(old.critic)
            q, critic_statistics, penalty = self.critic(
                old.critic, old.critic_statistics, batch.observation, batch.action, training=True
            )
            critic_loss = tf.reduce_mean((target - q) ** 2) + penalty
        gradient = tape.gradient(critic_loss, old.critic)
        critic, critic_optimizer = adam(old.critic, gradient, old.critic_optimizer, self.config.lr_critic)

        with tf.GradientTape() as tape:
            tape.watch(old.actor)
            action, actor_statistics, penalty = self.actor(
                old.actor, old.actor_statistics, batch.observation, training=True
            )
            actor_loss = self._actor_loss(critic, critic_statistics, batch, action) + penalty
        gradient = tape.gradient(actor_loss, old.actor)
        actor, actor_optimizer = adam(old.actor, gradient, old.actor_optimizer, self.config.lr_actor)

        new = LearnerParts(
            actor=actor,
            actor_statistics=actor_statistics,
            critic=critic,
            critic_statistics=critic_statistics,
            target_actor=soft_update(old.target_actor, actor, self.config.tau_actor),
            target_critic=soft_update(old.target_critic, critic, self.config.tau_critic),
            actor_optimizer=actor_optimizer,
            critic_optimizer=critic_optimizer,
        )
        return *self.pack(new), tf.stack([critic_loss, actor_loss, tf.reduce_mean(q)])

    def _actor_loss(self, critic: Any, statistics: Sequence[Any], batch: Transition, action: Any) -> Any:
        """A loss whose gradient is minus the policy gradient, summed over action dimensions, averaged over states."""
        if self.config.actor_gradient == "policy":
            return -tf.reduce_mean(self.critic.predict(critic, statistics, batch.observation, action))
        gradient = self._action_gradient(critic, statistics, batch.observation, batch.action)
        return -tf.reduce_mean(tf.reduce_sum(gradient * action, axis=1))

    def _action_gradient(self, critic: Any, statistics: Sequence[Any], observation: Any, action: Any) -> Any:
        """dQ/da, shape (n, action size)."""
        with tf.GradientTape() as tape:
            tape.watch(action)
            q = self.critic.predict(critic, statistics, observation, action)
        return tf.stop_gradient(tape.gradient(q, action))

    def evaluate_grid(
        self, state: LearnerState, states: NDArray[Any], action_line: NDArray[Any], action_dimension: int
    ) -> Any:
        """The networks on a grid of states, and Q along one dimension of the action in each.

        Args:
            state: The learner's state.
            states: Scaled observations, shape (n, observation size).
            action_line: Scaled values of one action dimension, shape (k,).
            action_dimension: Which one; the others stay at the policy's action.

        Returns:
            Shape (n, k + 2 action size): Q along the line, dQ/da at the policy's action, the policy's action.
        """
        (values,) = self._call("_evaluate_grid", state, states, action_line, np.array(action_dimension, np.int32))
        return values

    @tf.function(jit_compile=True, autograph=False)
    def _evaluate_grid(self, floats: Any, integers: Any, states: Any, action_line: Any, action_dimension: Any) -> Any:
        """`evaluate_grid` on tensors."""
        now = self.unpack(LearnerState(floats, integers))
        action = self.actor.predict(now.actor, now.actor_statistics, states)
        gradient = self._action_gradient(now.critic, now.critic_statistics, states, action)
        n_states, n_line = states.shape[0], action_line.shape[0]
        on_line = tf.cast(tf.range(self.action_size) == action_dimension, tf.float32)
        actions = action[:, None, :] * (1 - on_line) + action_line[None, :, None] * on_line
        q = self.critic.predict(
            now.critic,
            now.critic_statistics,
            tf.repeat(states, n_line, axis=0),
            tf.reshape(actions, [n_states * n_line, self.action_size]),
        )
        return tf.concat([tf.reshape(q, [n_states, n_line]), gradient, action], axis=1)


@functools.lru_cache(maxsize=8)
def make_update_rule(observation_size: int, action_size: int, config: AgentConfig) -> UpdateRule:
    """An update rule, compiled once per process and configuration."""
    return UpdateRule(observation_size, action_size, config)


def _as_tensor(array: NDArray[Any]) -> Any:
    """What `tf.convert_to_tensor` gives, whose copy takes a tenth of an update; here NumPy's memory is lent."""
    memory = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
    # TensorFlow takes any address, but its code crashes where one is not aligned.
    start = -memory.ctypes.data % _ALIGNMENT
    aligned = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    aligned[...] = array
    return tf.experimental.dlpack.from_dlpack(aligned.__dlpack__())


def flat_weights(model: keras.Model) -> Any:
    """The model's trainable weights as one vector."""
    return np.concatenate([np.ravel(variable) for variable in _arrays(model.trainable_variables)])


def _arrays(variables: Sequence[Any]) -> list[Any]:
    return [variable.numpy() for variable in variables]


def _adam_at_start(weights: Any) -> AdamState:
    return AdamState(np.int64(0), np.zeros_like(weights), np.zeros_like(weights))
