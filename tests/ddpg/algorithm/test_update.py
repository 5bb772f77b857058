import keras
import numpy as np
import pytest
import tensorflow as tf

from ddpg.algorithm.replay_buffer import Transition, row_width
from ddpg.algorithm.update import (
    AdamState,
    LearnerState,
    adam,
    make_update_rule,
    soft_update,
    temporal_difference_target,
)
from ddpg.config import AgentConfig

SMALL = AgentConfig(
    discount_factor=0.9,
    hidden_layer_sizes_actor=(4, 3),
    hidden_layer_sizes_critic=((4, 3), (5, 3)),
    relu_alpha_actor=0.1,
    relu_alpha_critic=0.2,
    lr_actor=0.001,
    lr_critic=0.002,
    l2_reg_actor=0.03,
    l2_reg_critic=0.02,
    replay_batch_size=16,
)
OBSERVATION_SIZE, ACTION_SIZE = 3, 2


def small_rule(**changes):
    return make_update_rule(OBSERVATION_SIZE, ACTION_SIZE, SMALL.model_copy(update=changes))


def batch(seed=0, n=16):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, row_width(OBSERVATION_SIZE, ACTION_SIZE))).astype(np.float32)
    rows[:, -1] = rng.integers(2, size=n)
    return rows


def arrays(rule, state):
    return rule.unpack(LearnerState(*(vector.numpy() for vector in state)))


def after(rule, rows, n=1):
    state = rule.initial_state(np.random.default_rng(1))
    for _ in range(n):
        state, metrics = rule.update(state, rows)
    return arrays(rule, state), metrics.numpy()


@pytest.mark.parametrize(("tau", "expected"), [(0, [1, 2]), (0.25, [1.5, 1]), (1, [3, -2])])
def test_soft_update(tau, expected):
    np.testing.assert_allclose(soft_update(np.array([1.0, 2.0]), np.array([3.0, -2.0]), tau), expected)


def test_temporal_difference_target_bootstraps_but_from_a_terminal_state():
    target = temporal_difference_target(
        np.array([[1.0], [1.0]]), np.array([[0.0], [1.0]]), np.array([[5.0], [5.0]]), 0.9
    )
    np.testing.assert_allclose(target, [[5.5], [1.0]])


def test_adam_steps_as_keras_does():
    weights = keras.Variable([1.0, -2.0, 3.0])
    optimizer = keras.optimizers.Adam(0.01)
    ours, state = weights.numpy(), AdamState(np.int64(0), np.zeros(3, np.float32), np.zeros(3, np.float32))
    for gradient in np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32):
        optimizer.apply([tf.constant(gradient)], [weights])
        ours, state = adam(ours, gradient, state, 0.01)
    np.testing.assert_allclose(ours, weights.numpy(), rtol=1e-5)
    assert int(state.step) == 20


def test_pack_and_unpack_are_inverse():
    rule = small_rule(dropout_critic=0.5)
    state = rule.initial_state(np.random.default_rng(1))
    again = rule.pack(arrays(rule, state))
    for vector, expected in zip(again, state, strict=True):
        np.testing.assert_array_equal(vector, expected)


def test_targets_start_equal_to_their_networks():
    parts = arrays(small_rule(), small_rule().initial_state(np.random.default_rng(4)))
    np.testing.assert_array_equal(parts.target_actor, parts.actor)
    np.testing.assert_array_equal(parts.target_critic, parts.critic)


@pytest.mark.slow
def test_a_rate_of_zero_leaves_weights():
    rule = small_rule(lr_actor=0.0, lr_critic=0.0)
    before = arrays(rule, rule.initial_state(np.random.default_rng(1)))
    now, _ = after(rule, batch())
    for name in ("actor", "critic", "target_actor", "target_critic"):
        np.testing.assert_allclose(getattr(now, name), getattr(before, name), rtol=1e-6)


@pytest.mark.slow
def test_a_target_with_tau_one_is_its_network():
    now, _ = after(small_rule(tau_actor=1.0, tau_critic=1.0), batch(), n=2)
    np.testing.assert_array_equal(now.target_actor, now.actor)
    np.testing.assert_array_equal(now.target_critic, now.critic)


@pytest.mark.slow
def test_dropout_draws_anew_at_each_update():
    rule = small_rule(dropout_critic=0.5, lr_actor=0.0, lr_critic=0.0)
    state = rule.initial_state(np.random.default_rng(1))
    state, first = rule.update(state, batch())
    _, second = rule.update(state, batch())
    assert abs(first[0] - second[0]) > 1e-3


class PlainUpdate:
    """The same update in NumPy, double precision, gradients by central differences: slow, and easy to check."""

    def __init__(self, config, parts):
        self.config = config
        self.parts = parts._replace(
            **{
                name: getattr(parts, name).astype(float)
                for name in ("actor", "critic", "target_actor", "target_critic")
            },
            critic_statistics=[part.astype(float) for part in parts.critic_statistics],
        )

    def actor(self, weights, observation):
        take = Weights(weights)
        x, penalty = observation, 0.0
        for units in self.config.hidden_layer_sizes_actor:
            x, penalty = self.hidden(take, x, units, self.config.relu_alpha_actor, penalty)
        x = np.tanh(x @ take(x.shape[1], ACTION_SIZE) + take(ACTION_SIZE))
        assert take.exhausted
        return x, self.config.l2_reg_actor * penalty

    def critic(self, weights, statistics, observation, action, training=False):
        alpha = self.config.relu_alpha_critic
        take = Weights(weights)
        # Keras orders variables by depth in the graph: both first layers, then both second ones.
        x, y, penalty = observation, action, 0.0
        for units_x, units_y in zip(*self.config.hidden_layer_sizes_critic, strict=True):
            x, penalty = self.hidden(take, x, units_x, alpha, penalty)
            y, penalty = self.hidden(take, y, units_y, alpha, penalty)
        x = leaky(x + y, alpha)
        gamma, beta = take(x.shape[1]), take(x.shape[1])
        mean, variance = (x.mean(0), x.var(0)) if training else statistics
        x = gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta
        q = x @ take(x.shape[1], 1) + take(1)
        assert take.exhausted
        return q, self.config.l2_reg_critic * penalty, (mean, variance)

    @staticmethod
    def hidden(take, x, units, alpha, penalty):
        kernel, bias = take(x.shape[1], units), take(units)
        return leaky(x @ kernel + bias, alpha), penalty + np.sum(kernel**2)

    def __call__(self, rows):
        old, config = self.parts, self.config
        b = Transition.from_rows(rows.astype(float), OBSERVATION_SIZE, ACTION_SIZE)
        next_action, _ = self.actor(old.target_actor, b.next_observation)
        next_q, _, _ = self.critic(old.target_critic, old.critic_statistics, b.next_observation, next_action)
        target = b.reward + config.discount_factor * (1 - b.terminal) * next_q

        def critic_loss(weights):
            q, penalty, _ = self.critic(weights, None, b.observation, b.action, training=True)
            return np.mean((target - q) ** 2) + penalty

        q, _, moments = self.critic(old.critic, None, b.observation, b.action, training=True)
        momentum = config.bn_momentum_critic
        statistics = [
            momentum * running + (1 - momentum) * now
            for running, now in zip(old.critic_statistics, moments, strict=True)
        ]
        critic = self.adam(old.critic, critic_loss, config.lr_critic)

        def dq_da(action):
            q_of = lambda a: self.critic(critic, statistics, b.observation, a)[0]  # noqa: E731
            return np.stack(
                [(q_of(action + step) - q_of(action - step))[:, 0] / 2e-6 for step in 1e-6 * np.eye(ACTION_SIZE)],
                axis=1,
            )

        fixed = dq_da(b.action)

        def actor_loss(weights):
            action, penalty = self.actor(weights, b.observation)
            if config.actor_gradient == "replay":
                return -np.mean(np.sum(fixed * action, axis=1)) + penalty
            return -np.mean(self.critic(critic, statistics, b.observation, action)[0]) + penalty

        actor = self.adam(old.actor, actor_loss, config.lr_actor)
        self.metrics = critic_loss(old.critic), actor_loss(old.actor), q.mean()
        return old._replace(
            actor=actor,
            critic=critic,
            critic_statistics=statistics,
            target_actor=config.tau_actor * actor + (1 - config.tau_actor) * old.target_actor,
            target_critic=config.tau_critic * critic + (1 - config.tau_critic) * old.target_critic,
        )

    @staticmethod
    def adam(weights, loss, rate):
        """Adam's first step, whose corrected moments are the gradient and its square."""
        gradient = np.array(
            [(loss(weights + step) - loss(weights - step)) / 2e-6 for step in 1e-6 * np.eye(len(weights))]
        )
        return weights - rate * gradient / (np.abs(gradient) + 1e-7 / np.sqrt(1 - 0.999))


class Weights:
    def __init__(self, vector):
        self.vector, self.position = vector, 0

    def __call__(self, *shape):
        start, self.position = self.position, self.position + int(np.prod(shape))
        return self.vector[start : self.position].reshape(shape)

    @property
    def exhausted(self):
        return self.position == len(self.vector)


def leaky(x, alpha):
    return np.where(x > 0, x, alpha * x)


@pytest.mark.parametrize("actor_gradient", ["policy", "replay"])
def test_one_update_is_that_of_plain_numpy(actor_gradient):
    rule = small_rule(actor_gradient=actor_gradient)
    plain = PlainUpdate(rule.config, arrays(rule, rule.initial_state(np.random.default_rng(1))))
    expected = plain(batch())
    received, metrics = after(rule, batch())
    for name in ("actor", "critic", "target_actor", "target_critic"):
        np.testing.assert_allclose(getattr(received, name), getattr(expected, name), atol=1e-5, err_msg=name)
    np.testing.assert_allclose(np.stack(received.critic_statistics), np.stack(expected.critic_statistics), atol=1e-5)
    np.testing.assert_allclose(metrics, plain.metrics, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_running_statistics_of_the_actor_follow_its_hidden_layers():
    rule = small_rule(bn_momentum_actor=0.75)
    before = arrays(rule, rule.initial_state(np.random.default_rng(1)))
    now, _ = after(rule, batch())
    take = Weights(before.actor)
    kernel, bias = take(OBSERVATION_SIZE, 4), take(4)
    hidden = leaky(Transition.from_rows(batch(), OBSERVATION_SIZE, ACTION_SIZE).observation @ kernel + bias, 0.1)
    mean, variance, *_ = now.actor_statistics
    np.testing.assert_allclose(mean, 0.25 * hidden.mean(0), atol=1e-5)
    np.testing.assert_allclose(variance, 0.75 + 0.25 * hidden.var(0), atol=1e-5)


def test_grid_values_are_those_of_the_networks():
    rule = small_rule()
    state = rule.update(rule.initial_state(np.random.default_rng(1)), batch())[0]
    parts = arrays(rule, state)
    plain = PlainUpdate(rule.config, parts)
    states = np.random.default_rng(2).uniform(-1, 1, (6, OBSERVATION_SIZE)).astype(np.float32)
    line = np.linspace(-1, 1, 5, dtype=np.float32)
    values = rule.evaluate_grid(state, states, line, 1).numpy()
    q, gradient, action = np.split(values, [5, 7], axis=1)

    policy, _ = plain.actor(parts.actor, states)
    np.testing.assert_allclose(action, policy, atol=1e-5)
    for k, value in enumerate(line):
        actions = np.column_stack([policy[:, 0], np.full(6, value)])
        expected = plain.critic(parts.critic, parts.critic_statistics, states, actions)[0]
        np.testing.assert_allclose(q[:, k : k + 1], expected, atol=1e-5)
    for d, step in enumerate(1e-5 * np.eye(ACTION_SIZE)):
        ahead, behind = (
            plain.critic(parts.critic, parts.critic_statistics, states, policy + s * step)[0] for s in (1, -1)
        )
        np.testing.assert_allclose(gradient[:, d : d + 1], (ahead - behind) / 2e-5, atol=1e-4)
