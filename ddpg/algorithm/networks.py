"""The actor and the critic, as Keras models and as pure functions; inputs and outputs are scaled to [-1, 1]."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ddpg.config import AgentConfig
from ddpg.numerics.backend import keras, tf
from ddpg.numerics.dense import with_own_products


class _Layers:
    """Makes the layers of one network, with seeds drawn from one generator."""

    def __init__(self, rng: np.random.Generator, relu_alpha: float, l2: float, dropout: float) -> None:
        self.rng = rng
        self.relu_alpha = relu_alpha
        self.l2 = l2
        self.dropout = dropout

    def _seed(self) -> int:
        return int(self.rng.integers(2**31))

    def dense(self, units: int, **options: object) -> keras.layers.Dense:
        return keras.layers.Dense(
            units, kernel_initializer=keras.initializers.GlorotUniform(seed=self._seed()), **options
        )

    def leaky_relu(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return keras.layers.LeakyReLU(negative_slope=self.relu_alpha, name=name)(x)

    def hidden(self, x: keras.KerasTensor, units: int, name: str) -> keras.KerasTensor:
        x = self.dense(units, kernel_regularizer=keras.regularizers.L2(self.l2), name=name)(x)
        x = self.leaky_relu(x, f"{name}_relu")
        return keras.layers.Dropout(self.dropout, seed=self._seed(), name=f"{name}_dropout")(x) if self.dropout else x


def make_actor(observation_size: int, action_size: int, config: AgentConfig, rng: np.random.Generator) -> keras.Model:
    """The policy: scaled observations (n, observation_size) to scaled actions (n, action_size)."""
    make = _Layers(rng, config.relu_alpha_actor, config.l2_reg_actor, config.dropout_actor)
    states = x = keras.Input((observation_size,), name="states")
    for i, units in enumerate(config.hidden_layer_sizes_actor, 1):
        x = make.hidden(x, units, f"hidden_{i}")
        if config.bn_momentum_actor:
            x = keras.layers.BatchNormalization(momentum=config.bn_momentum_actor, name=f"hidden_{i}_norm")(x)
    actions = make.dense(action_size, activation=config.activation_fn_actor, name="actions")(x)
    if config.activation_fn_actor == "sigmoid":
        actions = keras.layers.Rescaling(2.0, offset=-1.0, name="stretch")(actions)
    return keras.Model(states, actions, name="actor")


def make_critic(observation_size: int, action_size: int, config: AgentConfig, rng: np.random.Generator) -> keras.Model:
    """The value: scaled observations and actions, [(n, observation_size), (n, action_size)], to Q of shape (n, 1)."""
    make = _Layers(rng, config.relu_alpha_critic, config.l2_reg_critic, config.dropout_critic)
    states = from_states = keras.Input((observation_size,), name="states")
    actions = from_actions = keras.Input((action_size,), name="actions")
    observation_path, action_path = config.hidden_layer_sizes_critic
    for i, units in enumerate(observation_path, 1):
        from_states = make.hidden(from_states, units, f"states_{i}")
    for i, units in enumerate(action_path, 1):
        from_actions = make.hidden(from_actions, units, f"actions_{i}")
    x = make.leaky_relu(keras.layers.Add(name="sum")([from_states, from_actions]), "sum_relu")
    if config.bn_momentum_critic:
        x = keras.layers.BatchNormalization(momentum=config.bn_momentum_critic, name="sum_norm")(x)
    q_values = make.dense(1, name="q_values")(x)
    return keras.Model([states, actions], q_values, name="critic")


class PureNetwork:
    """A Keras model as a function of one vector of weights.

    Args:
        model: Its architecture is used, its weights are not.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = with_own_products(model)
        self.shapes = [variable.shape for variable in model.trainable_variables]

    def __call__(
        self, weights: Any, statistics: Sequence[Any], *inputs: Any, training: bool
    ) -> tuple[Any, Sequence[Any], Any]:
        """Computes the outputs, the new statistics, and the sum of the weights' penalties.

        Args:
            weights: Shape (number of weights,).
            statistics: Batch-norm means and variances and dropout seeds, in Keras' order.
            *inputs: Shape (n, size) each.
            training: Normalise by the batch's own moments, and drop units.
        """
        # tf.split, not slices: its gradient is one concatenation instead of a padded vector per variable.
        parts = tf.split(weights, [math.prod(shape) for shape in self.shapes])
        tensors = [tf.reshape(part, shape) for part, shape in zip(parts, self.shapes, strict=True)]
        outputs, statistics, penalties = self.model.stateless_call(
            tensors, statistics, inputs[0] if len(inputs) == 1 else list(inputs), training=training, return_losses=True
        )
        return outputs, statistics, tf.add_n(penalties)

    def predict(self, weights: Any, statistics: Sequence[Any], *inputs: Any) -> Any:
        """Computes the outputs alone, with batch norm's running statistics and without dropout."""
        return self(weights, statistics, *inputs, training=False)[0]
