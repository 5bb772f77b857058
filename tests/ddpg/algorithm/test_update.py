from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from ddpg.algorithm.compiled import CompiledUpdate
from ddpg.algorithm.replay_buffer import Transition, row_width
from ddpg.algorithm.update import (
    AdamState,
    LearnerParts,
    StepSizes,
    adam,
    evaluate_grid,
    soft_update,
    temporal_difference_target,
    update,
)
from ddpg.config import AgentConfig

SMALL = AgentConfig(
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


def made(n_critics=1, **changes):
    """A configuration, its networks and new parts with this many different critics."""
    config = SMALL.model_copy(update=changes)
    compiled = CompiledUpdate(OBSERVATION_SIZE, ACTION_SIZE, config)
    states = [compiled.initial_state(np.random.default_rng(1 + i)) for i in range(n_critics)]
    parts = [compiled.unpack(type(state)(*(vector.numpy() for vector in state))) for state in states]
    settings = SimpleNamespace(**vars(compiled.settings), lr_actor=config.lr_actor, lr_critic=config.lr_critic)
    settings.names = {
        name: [(variable.path, tuple(variable.shape)) for variable in network.model.trainable_variables]
        for name, network in compiled.networks._asdict().items()
    }
    return settings, compiled.networks, LearnerParts(parts[0].actor, tuple(part.critics[0] for part in parts))


def batch(seed=0, n=16):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, row_width(OBSERVATION_SIZE, ACTION_SIZE))).astype(np.float32)
    rows[:, -1] = 0.9 * rng.integers(2, size=n)
    return Transition.from_rows(rows, OBSERVATION_SIZE, ACTION_SIZE)


def once(config, networks, parts, **options):
    tensors = tf.nest.map_structure(tf.constant, (parts, batch()))
    options = {name: tf.constant(value) if name != "moves_actor" else value for name, value in options.items()}
    new, report = update(networks, *tensors, StepSizes(config.lr_actor, config.lr_critic), config, **options)
    return tf.nest.map_structure(np.asarray, new), type(report)(*map(np.asarray, report))


@pytest.mark.parametrize(("tau", "expected"), [(0, [1, 2]), (0.25, [1.5, 1]), (1, [3, -2])])
def test_soft_update(tau, expected):
    np.testing.assert_allclose(soft_update(np.array([1.0, 2.0]), np.array([3.0, -2.0]), tau), expected)


def test_temporal_difference_target_bootstraps_but_from_a_terminal_state():
    target = temporal_difference_target(np.array([[1.0], [1.0]]), np.array([[0.9], [0.0]]), np.array([[5.0], [5.0]]))
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


@pytest.mark.slow
def test_a_step_size_of_zero_leaves_weights():
    config, networks, parts = made(lr_actor=0.0, lr_critic=0.0)
    now, _ = once(config, networks, parts)
    for before, after in zip((parts.actor, *parts.critics), (now.actor, *now.critics), strict=True):
        np.testing.assert_array_equal(after.weights, before.weights)
        np.testing.assert_allclose(after.target, before.target, rtol=1e-6)


@pytest.mark.slow
def test_a_target_with_tau_one_is_its_network():
    now, _ = once(*made(tau_actor=1.0, tau_critic=1.0))
    np.testing.assert_array_equal(now.actor.target, now.actor.weights)
    np.testing.assert_array_equal(now.critics[0].target, now.critics[0].weights)


@pytest.mark.slow
def test_each_update_drops_other_units():
    config, networks, parts = made(dropout_critic=0.5, lr_actor=0.0, lr_critic=0.0)
    parts, first = once(config, networks, parts)
    _, second = once(config, networks, parts)
    assert abs(first.critic_loss - second.critic_loss) > 1e-3


class PlainUpdate:
    """The same update in NumPy, double precision, gradients by central differences: slow, and easy to check."""

    def __init__(self, config):
        self.config = config

    def actor(self, weights, observation):
        layers = self.layers("actor", weights)
        x, penalty = observation, 0.0
        for i in range(1, len(self.config.hidden_layer_sizes_actor) + 1):
            x, penalty = self.hidden(layers, f"hidden_{i}", x, penalty)
            x = leaky(self.layer_norm(layers, f"hidden_{i}", x), self.config.relu_alpha_actor)
        return np.tanh(dense(layers, "actions", x)), self.config.l2_reg_actor * penalty

    def critic(self, weights, statistics, observation, action, training=False):
        config, alpha = self.config, self.config.relu_alpha_critic
        layers, moments, ends, penalty = self.layers("critic", weights), [], [], 0.0

        def batch_norm(name, x):
            if f"{name}/gamma" not in layers:
                return x
            mean, variance = (x.mean(0), x.var(0)) if training else statistics[len(moments) : len(moments) + 2]
            moments.extend([mean, variance])
            return layers[f"{name}/gamma"] * (x - mean) / np.sqrt(variance + 1e-3) + layers[f"{name}/beta"]

        def activated(name, x):
            return leaky(self.layer_norm(layers, name, x), alpha)

        paths = zip(("states", "actions"), (observation, action), config.hidden_layer_sizes_critic, strict=True)
        for path, inputs, sizes in paths:
            y = batch_norm(f"{path}_norm", inputs)
            for i in range(1, len(sizes) + 1):
                y, penalty = self.hidden(layers, f"{path}_{i}", y, penalty)
                if not (config.join_critic == "add" and i == len(sizes)):
                    y = batch_norm(f"{path}_{i}_norm", activated(f"{path}_{i}", y))
            ends.append(y)
        if config.join_critic == "concatenate":
            x = np.hstack(ends)
        else:
            x = batch_norm("sum_norm", activated("sum", sum(ends)))
        for i in range(1, len(config.hidden_layer_sizes_joint) + 1):
            x, penalty = self.hidden(layers, f"joint_{i}", x, penalty)
            x = activated(f"joint_{i}", x)
        return dense(layers, "q_values", x), config.l2_reg_critic * penalty, moments

    def layers(self, network, weights):
        """The arrays by the names that Keras gives its variables."""
        arrays, start = {}, 0
        for name, shape in self.config.names[network]:
            arrays[name] = weights[start : start + int(np.prod(shape))].reshape(shape)
            start += int(np.prod(shape))
        assert start == len(weights)
        return arrays

    @staticmethod
    def hidden(layers, name, x, penalty):
        return dense(layers, name, x), penalty + np.sum(layers[f"{name}/kernel"] ** 2)

    @staticmethod
    def layer_norm(layers, name, x):
        if f"{name}_layer_norm/gamma" not in layers:
            return x
        normalised = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-3)
        return layers[f"{name}_layer_norm/gamma"] * normalised + layers[f"{name}_layer_norm/beta"]

    def __call__(self, parts, importance=1.0, target_noise=0.0, moves_actor=True):
        parts = tf.nest.map_structure(lambda part: np.asarray(part, float), parts)
        config, b = self.config, Transition(*(column.astype(float) for column in batch()))
        next_action, _ = self.actor(parts.actor.target, b.next_observation)
        next_action = np.clip(next_action + target_noise, -1, 1)
        values = [
            self.critic(each.target, each.statistics, b.next_observation, next_action)[0] for each in parts.critics
        ]
        target = b.reward + b.discount * np.minimum.reduce(values)
        moved = [self.critic_step(each, b, target, importance) for each in parts.critics]
        critics, losses, qs = zip(*moved, strict=True)
        actor, actor_loss = parts.actor, np.nan
        if moves_actor:
            actor, actor_loss = self.actor_step(actor, critics[0], b)
            critics = [self.with_target(each, config.tau_critic) for each in critics]
        return LearnerParts(actor, tuple(critics)), (np.mean(losses), actor_loss, qs[0].mean(), target - qs[0])

    def critic_step(self, critic, b, target, importance):
        def loss(weights):
            q, penalty, _ = self.critic(weights, None, b.observation, b.action, training=True)
            return np.mean(importance * (target - q) ** 2) + penalty

        q, _, moments = self.critic(critic.weights, None, b.observation, b.action, training=True)
        momentum = self.config.bn_momentum_critic
        statistics = [
            momentum * running + (1 - momentum) * now for running, now in zip(critic.statistics, moments, strict=True)
        ]
        moved = self.adam(critic, loss, self.config.lr_critic, self.config.weight_decay_critic)
        return moved._replace(statistics=statistics), loss(critic.weights), q

    def actor_step(self, actor, critic, b):
        def q_of(action):
            return self.critic(critic.weights, critic.statistics, b.observation, action)[0]

        steps = 1e-6 * np.eye(ACTION_SIZE)
        slopes = [(q_of(b.action + step) - q_of(b.action - step))[:, 0] / 2e-6 for step in steps]

        def loss(weights):
            action, penalty = self.actor(weights, b.observation)
            if self.config.actor_gradient == "replay":
                return -np.mean(np.sum(np.stack(slopes, axis=1) * action, axis=1)) + penalty
            return -np.mean(q_of(action)) + penalty

        moved = self.adam(actor, loss, self.config.lr_actor)
        return self.with_target(moved, self.config.tau_actor), loss(actor.weights)

    @staticmethod
    def with_target(network, tau):
        return network._replace(target=tau * network.weights + (1 - tau) * network.target)

    def adam(self, network, loss, rate, decay=0.0):
        """Adam's first step, whose corrected moments are the gradient and its square."""
        weights = network.weights
        gradient = np.array(
            [(loss(weights + step) - loss(weights - step)) / 2e-6 for step in 1e-6 * np.eye(len(weights))]
        )
        gradient += decay * weights
        most = self.config.gradient_clip_norm
        if most is not None:
            assert np.linalg.norm(gradient) > most
            gradient *= most / np.linalg.norm(gradient)
        return network._replace(
            weights=weights - rate * gradient / (np.abs(gradient) + 1e-7 / np.sqrt(1 - 0.999)),
            optimizer=network.optimizer._replace(mean=0.1 * gradient),
        )


def dense(layers, name, x):
    return x @ layers[f"{name}/kernel"] + layers[f"{name}/bias"]


def leaky(x, alpha):
    return np.where(x > 0, x, alpha * x)


PAPER_CRITIC = {
    "hidden_layer_sizes_critic": ((4,), ()),
    "join_critic": "concatenate",
    "hidden_layer_sizes_joint": (3,),
    "bn_observations": True,
}
TD3_CRITIC = {
    "hidden_layer_sizes_critic": ((), ()),
    "join_critic": "concatenate",
    "hidden_layer_sizes_joint": (4, 3),
    "bn_momentum_critic": 0.0,
}
NOISE = np.random.default_rng(5).normal(size=(16, ACTION_SIZE)).astype(np.float32)
IMPORTANCE = np.random.default_rng(6).uniform(0.1, 1, (16, 1)).astype(np.float32)


@pytest.mark.parametrize(
    ("n_critics", "settings", "options"),
    [
        (1, {}, {}),
        (1, {"actor_gradient": "replay"}, {}),
        (2, {}, {"target_noise": NOISE}),
        (2, {}, {"moves_actor": False}),
        (1, {}, {"importance": IMPORTANCE}),
        (1, {"join_critic": "add", "hidden_layer_sizes_joint": (3, 2)}, {}),
        (1, PAPER_CRITIC | {"weight_decay_critic": 0.3}, {}),
        (2, TD3_CRITIC, {}),
        (1, {"layer_norm_actor": True, "layer_norm_critic": True, "join_critic": "add"}, {}),
        (1, {"gradient_clip_norm": 0.05}, {}),
    ],
    ids=[
        "DDPG", "replay gradient", "TD3, moving the actor", "TD3, moving the critics alone", "importance weights",
        "paths added before the activation", "the paper's critic", "TD3's critics", "layer norm", "clipped gradients",
    ],
)  # fmt: skip
def test_one_update_is_that_of_plain_numpy(n_critics, settings, options):
    config, networks, parts = made(n_critics, **settings)
    expected, expected_report = PlainUpdate(config)(parts, **options)
    received, report = once(config, networks, parts, **options)
    for now, then in zip((received.actor, *received.critics), (expected.actor, *expected.critics), strict=True):
        np.testing.assert_allclose(now.weights, then.weights, atol=1e-5)
        np.testing.assert_allclose(now.target, then.target, atol=1e-5)
        # The first step's size hardly depends on the gradient's; its mean does.
        np.testing.assert_allclose(now.optimizer.mean, then.optimizer.mean, rtol=1e-3, atol=1e-5)
        for statistic, plain in zip(now.statistics, then.statistics, strict=True):
            np.testing.assert_allclose(statistic, plain, atol=1e-5)
    for name, value, plain in zip(report._fields, report, expected_report, strict=True):
        np.testing.assert_allclose(value, plain, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_running_statistics_of_the_actor_follow_its_hidden_layers():
    config, networks, parts = made(bn_momentum_actor=0.75)
    now, _ = once(config, networks, parts)
    layers = PlainUpdate(config).layers("actor", parts.actor.weights)
    hidden = leaky(dense(layers, "hidden_1", batch().observation), 0.1)
    mean, variance, *_ = now.actor.statistics
    np.testing.assert_allclose(mean, 0.25 * hidden.mean(0), atol=1e-5)
    np.testing.assert_allclose(variance, 0.75 + 0.25 * hidden.var(0), atol=1e-5)


def test_grid_values_are_those_of_the_networks():
    config, networks, parts = made()
    parts, _ = once(config, networks, parts)
    plain = PlainUpdate(config)
    states = np.random.default_rng(2).uniform(-1, 1, (6, OBSERVATION_SIZE)).astype(np.float32)
    line = np.linspace(-1, 1, 5, dtype=np.float32)
    values = evaluate_grid(networks, tf.nest.map_structure(tf.constant, parts), tf.constant(states), line, 1).numpy()
    q, gradient, action = np.split(values, [5, 7], axis=1)

    policy, _ = plain.actor(parts.actor.weights, states)
    np.testing.assert_allclose(action, policy, atol=1e-5)

    def q_of(actions):
        return plain.critic(parts.critics[0].weights, parts.critics[0].statistics, states, actions)[0]

    for k, value in enumerate(line):
        np.testing.assert_allclose(q[:, k : k + 1], q_of(np.column_stack([policy[:, 0], np.full(6, value)])), atol=1e-5)
    for d, step in enumerate(1e-5 * np.eye(ACTION_SIZE)):
        slope = (q_of(policy + step) - q_of(policy - step)) / 2e-5
        np.testing.assert_allclose(gradient[:, d : d + 1], slope, atol=1e-4)
