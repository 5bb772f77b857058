"""One update as pure functions of named parts: the target, a step of a critic, a step of the actor, soft updates.

Lillicrap et al., "Continuous control with deep reinforcement learning", 2015, arXiv:1509.02971, algorithm 1. The
options of `critic_target` and `update` are those of Fujimoto et al., "Addressing function approximation error in
actor-critic methods", 2018, arXiv:1802.09477, and of Schaul et al., "Prioritized experience replay", 2016,
arXiv:1511.05952. `compiled` calls these functions fast.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from ddpg.algorithm.networks import PureNetwork
from ddpg.algorithm.replay_buffer import Transition
from ddpg.config import AgentConfig
from ddpg.numerics.backend import tf

ADAM_BETA_1, ADAM_BETA_2, ADAM_EPSILON = 0.9, 0.999, 1e-7


class AdamState(NamedTuple):
    """What Adam remembers of n weights."""

    step: Any
    """Steps made, shape (), int64."""
    mean: Any
    """Running mean of the gradient, shape (n,)."""
    square: Any
    """Running mean of the squared gradient, shape (n,)."""


class NetworkState(NamedTuple):
    """A network that learns, with its target and its optimizer."""

    weights: Any
    """Shape (n,)."""
    statistics: Sequence[Any]
    """Batch-norm means and variances and dropout seeds. The target uses the same ones, not a mixture by τ."""
    target: Any
    """The target network's weights, shape (n,)."""
    optimizer: AdamState


class LearnerParts(NamedTuple):
    """All that an update reads and writes."""

    actor: NetworkState
    critics: tuple[NetworkState, ...]
    """One in DDPG, two in TD3; the actor follows the first."""


class Networks(NamedTuple):
    """The functions that the weights belong to."""

    actor: PureNetwork
    critic: PureNetwork


class StepSizes(NamedTuple):
    """Adam's step sizes in one update, shape () each."""

    actor: Any
    critic: Any


class UpdateMetrics(NamedTuple):
    """Metrics of one update, or their mean over several."""

    critic_loss: float
    """Mean squared temporal-difference error plus the L2 penalty, in units of the normalised reward squared."""
    actor_loss: float
    """With `actor_gradient: policy`, minus the mean Q of the actor's actions, plus the L2 penalty."""
    mean_q: float
    """Mean Q of the batch's actions, in units of the normalised reward."""


class UpdateReport(NamedTuple):
    """What an update computes besides the next state: the fields of `UpdateMetrics`, shape (), and more."""

    critic_loss: Any
    """Mean over the critics, shape ()."""
    actor_loss: Any
    """Shape (); NaN where the actor made no step."""
    mean_q: Any
    """Mean Q of the batch's actions by the first critic, shape ()."""
    td_errors: Any
    """Target minus Q of the first critic, shape (n, 1)."""


def temporal_difference_target(reward: Any, discount: Any, next_q: Any) -> Any:
    """Y = r + discount · Q′(s′, μ′(s′)), all of shape (n, 1); see `Transition`."""
    return reward + discount * next_q


def soft_update(target: Any, online: Any, tau: float) -> Any:
    """θ′ ← τ θ + (1 − τ) θ′."""
    return tau * online + (1 - tau) * target


def adam(weights: Any, gradient: Any, state: AdamState, step_size: Any) -> tuple[Any, AdamState]:
    """Kingma & Ba, 2015, arXiv:1412.6980, section 2's efficient form; constants as in Keras.

    Written out because Keras optimizers have no stateless form on TensorFlow.
    """
    step = state.step + 1
    mean = ADAM_BETA_1 * state.mean + (1 - ADAM_BETA_1) * gradient
    square = ADAM_BETA_2 * state.square + (1 - ADAM_BETA_2) * gradient**2
    t = tf.cast(step, tf.float32)
    corrected = step_size * tf.sqrt(1 - ADAM_BETA_2**t) / (1 - ADAM_BETA_1**t)
    return weights - corrected * mean / (tf.sqrt(square) + ADAM_EPSILON), AdamState(step, mean, square)


def clipped(gradient: Any, norm: float | None) -> Any:
    """The gradient, shape (n,), scaled down to this Euclidean norm if it is longer; `None`: as it is."""
    return gradient if norm is None else tf.clip_by_norm(gradient, norm)


def critic_target(networks: Networks, parts: LearnerParts, batch: Transition, noise: Any = None) -> Any:
    """The value that the critics learn, shape (n, 1), from the target networks.

    Args:
        networks: The actor and the critic.
        parts: Their weights. Of several critics the least value counts.
        batch: n transitions.
        noise: Added to the target actor's actions, which stay in [-1, 1]; shape (n, action size), or `None`.
    """
    actor = parts.actor
    action = networks.actor.predict(actor.target, actor.statistics, batch.next_observation)
    if noise is not None:
        action = tf.clip_by_value(action + noise, -1.0, 1.0)
    values = [
        networks.critic.predict(critic.target, critic.statistics, batch.next_observation, action)
        for critic in parts.critics
    ]
    next_q = functools.reduce(tf.minimum, values)
    return temporal_difference_target(batch.reward, batch.discount, next_q)


def critic_step(
    network: PureNetwork,
    critic: NetworkState,
    batch: Transition,
    target: Any,
    step_size: Any,
    config: AgentConfig,
    importance: Any = None,
) -> tuple[NetworkState, Any, Any]:
    """One step of a critic towards the target; its target network stays as it is.

    Args:
        network: The critic's function.
        critic: Its state.
        batch: n transitions.
        target: Shape (n, 1).
        step_size: Adam's.
        config: `weight_decay_critic` and `gradient_clip_norm`.
        importance: Weights of the transitions, shape (n, 1), which correct for how they were sampled; `None`: all 1.

    Returns:
        The new state, the loss, and Q before the step, shape (n, 1).
    """
    with tf.GradientTape() as tape:
        tape.watch(critic.weights)
        q, statistics, penalty = network(
            critic.weights, critic.statistics, batch.observation, batch.action, training=True
        )
        squares = (target - q) ** 2
        loss = tf.reduce_mean(squares if importance is None else importance * squares) + penalty
    gradient = tape.gradient(loss, critic.weights)
    if config.weight_decay_critic:
        gradient += config.weight_decay_critic * critic.weights
    gradient = clipped(gradient, config.gradient_clip_norm)
    weights, optimizer = adam(critic.weights, gradient, critic.optimizer, step_size)
    return NetworkState(weights, statistics, critic.target, optimizer), loss, q


def actor_step(
    networks: Networks,
    actor: NetworkState,
    critic: NetworkState,
    batch: Transition,
    step_size: Any,
    config: AgentConfig,
) -> tuple[NetworkState, Any]:
    """One step of the actor along the policy gradient; its target network stays as it is.

    Args:
        networks: The actor and the critic.
        actor: The actor's state.
        critic: The critic that judges its actions.
        batch: n transitions, of which the observations count, and the actions where `actor_gradient` is `replay`.
        step_size: Adam's.
        config: `actor_gradient` and `gradient_clip_norm`.

    Returns:
        The new state and the loss.
    """
    with tf.GradientTape() as tape:
        tape.watch(actor.weights)
        action, statistics, penalty = networks.actor(actor.weights, actor.statistics, batch.observation, training=True)
        if config.actor_gradient == "policy":
            q = networks.critic.predict(critic.weights, critic.statistics, batch.observation, action)
            loss = -tf.reduce_mean(q)
        else:
            slope = action_gradient(networks.critic, critic, batch.observation, batch.action)
            loss = -tf.reduce_mean(tf.reduce_sum(slope * action, axis=1))
        loss += penalty
    gradient = clipped(tape.gradient(loss, actor.weights), config.gradient_clip_norm)
    weights, optimizer = adam(actor.weights, gradient, actor.optimizer, step_size)
    return NetworkState(weights, statistics, actor.target, optimizer), loss


def action_gradient(network: PureNetwork, critic: NetworkState, observation: Any, action: Any) -> Any:
    """dQ/da, shape (n, action size)."""
    with tf.GradientTape() as tape:
        tape.watch(action)
        q = network.predict(critic.weights, critic.statistics, observation, action)
    return tf.stop_gradient(tape.gradient(q, action))


def update(
    networks: Networks,
    parts: LearnerParts,
    batch: Transition,
    step_sizes: StepSizes,
    config: AgentConfig,
    *,
    importance: Any = None,
    target_noise: Any = None,
    moves_actor: bool = True,
) -> tuple[LearnerParts, UpdateReport]:
    """One step of each critic and one of the actor, and a soft update of all targets.

    Args:
        networks: The actor and the critic.
        parts: The learner's state.
        batch: n transitions.
        step_sizes: Adam's; no other setting of `config` changes during a training.
        config: τ, and what the steps read of it.
        importance: See `critic_step`.
        target_noise: See `critic_target`.
        moves_actor: `False` moves the critics alone: no actor step and no soft update, as TD3 does between its delayed
            ones.
    """
    target = critic_target(networks, parts, batch, target_noise)
    moved = [
        critic_step(networks.critic, critic, batch, target, step_sizes.critic, config, importance)
        for critic in parts.critics
    ]
    critics, losses, (q, *_) = zip(*moved, strict=True)
    actor, actor_loss = parts.actor, tf.constant(float("nan"))
    if moves_actor:
        actor, actor_loss = actor_step(networks, actor, critics[0], batch, step_sizes.actor, config)
        actor = actor._replace(target=soft_update(actor.target, actor.weights, config.tau_actor))
        critics = tuple(
            critic._replace(target=soft_update(critic.target, critic.weights, config.tau_critic)) for critic in critics
        )
    report = UpdateReport(tf.add_n(losses) / len(losses), actor_loss, tf.reduce_mean(q), target - q)
    return LearnerParts(actor, critics), report


def evaluate_grid(networks: Networks, parts: LearnerParts, states: Any, action_line: Any, action_dimension: Any) -> Any:
    """The networks on a grid of states, and Q along one dimension of the action in each.

    Args:
        networks: The actor and the critic.
        parts: Their weights; of several critics the first is shown.
        states: Scaled observations, shape (n, observation size).
        action_line: Scaled values of one action dimension, shape (k,).
        action_dimension: Which one, shape (); the others stay at the policy's action.

    Returns:
        Shape (n, k + 2 action size): Q along the line, dQ/da at the policy's action, the policy's action.
    """
    actor, critic = parts.actor, parts.critics[0]
    action = networks.actor.predict(actor.weights, actor.statistics, states)
    gradient = action_gradient(networks.critic, critic, states, action)
    n_states, n_line, action_size = states.shape[0], action_line.shape[0], action.shape[1]
    on_line = tf.cast(tf.range(action_size) == action_dimension, tf.float32)
    actions = action[:, None, :] * (1 - on_line) + action_line[None, :, None] * on_line
    q = networks.critic.predict(
        critic.weights,
        critic.statistics,
        tf.repeat(states, n_line, axis=0),
        tf.reshape(actions, [n_states * n_line, action_size]),
    )
    return tf.concat([tf.reshape(q, [n_states, n_line]), gradient, action], axis=1)
