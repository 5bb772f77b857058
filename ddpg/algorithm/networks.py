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

    def __init__(
        self,
        rng: np.random.Generator,
        config: AgentConfig,
        *,
        relu_alpha: float,
        l2: float,
        dropout: float,
        bn_momentum: float,
        layer_norm: bool,
    ) -> None:
        self.rng = rng
        self.config = config
        self.relu_alpha = relu_alpha
        self.l2 = l2
        self.dropout = dropout
        self.bn_momentum = bn_momentum
        self.layer_norm = layer_norm

    def _seed(self) -> int:
        return int(self.rng.integers(2**31))

    def _uniform(self, limit: float) -> keras.initializers.Initializer:
        return keras.initializers.RandomUniform(-limit, limit, seed=self._seed())

    def dense(
        self, x: keras.KerasTensor, units: int, name: str, limit: float | None = None, **options: object
    ) -> keras.KerasTensor:
        """A dense layer whose weights start within a limit, or as `initializer` says."""
        if limit is None and self.config.initializer == "fan_in":
            limit = 1 / math.sqrt(x.shape[-1])
        if limit is None:
            initial = {"kernel_initializer": keras.initializers.GlorotUniform(seed=self._seed())}
        else:
            initial = {"kernel_initializer": self._uniform(limit), "bias_initializer": self._uniform(limit)}
        return keras.layers.Dense(units, name=name, **initial, **options)(x)

    def output(self, x: keras.KerasTensor, units: int, name: str, activation: str | None = None) -> keras.KerasTensor:
        return self.dense(x, units, name, self.config.output_init_range, activation=activation)

    def leaky_relu(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return keras.layers.LeakyReLU(negative_slope=self.relu_alpha, name=name)(x)

    def batch_norm(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return keras.layers.BatchNormalization(momentum=self.bn_momentum, name=name)(x) if self.bn_momentum else x

    def observations(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return self.batch_norm(x, "states_norm") if self.config.bn_observations else x

    def activate(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        if self.layer_norm:
            x = keras.layers.LayerNormalization(name=f"{name}_layer_norm")(x)
        x = self.leaky_relu(x, f"{name}_relu")
        return keras.layers.Dropout(self.dropout, seed=self._seed(), name=f"{name}_dropout")(x) if self.dropout else x

    def hidden(
        self,
        x: keras.KerasTensor,
        sizes: Sequence[int],
        name: str,
        *,
        batch_norm: bool = False,
        ends_linear: bool = False,
    ) -> keras.KerasTensor:
        """Hidden layers, one after the other, of which the last may lack its activation."""
        for i, units in enumerate(sizes, 1):
            layer = f"{name}_{i}"
            x = self.dense(x, units, layer, kernel_regularizer=keras.regularizers.L2(self.l2))
            if not (ends_linear and i == len(sizes)):
                x = self.activate(x, layer)
            if batch_norm:
                x = self.batch_norm(x, f"{layer}_norm")
        return x


def make_actor(observation_size: int, action_size: int, config: AgentConfig, rng: np.random.Generator) -> keras.Model:
    """The policy: scaled observations (n, observation_size) to scaled actions (n, action_size)."""
    make = _Layers(
        rng,
        config,
        relu_alpha=config.relu_alpha_actor,
        l2=config.l2_reg_actor,
        dropout=config.dropout_actor,
        bn_momentum=config.bn_momentum_actor,
        layer_norm=config.layer_norm_actor,
    )
    states = keras.Input((observation_size,), name="states")
    x = make.hidden(make.observations(states), config.hidden_layer_sizes_actor, "hidden", batch_norm=True)
    actions = make.output(x, action_size, "actions", config.activation_fn_actor)
    if config.activation_fn_actor == "sigmoid":
        actions = keras.layers.Rescaling(2.0, offset=-1.0, name="stretch")(actions)
    return keras.Model(states, actions, name="actor")


def make_critic(observation_size: int, action_size: int, config: AgentConfig, rng: np.random.Generator) -> keras.Model:
    """The value: scaled observations and actions, [(n, observation_size), (n, action_size)], to Q of shape (n, 1)."""
    make = _Layers(
        rng,
        config,
        relu_alpha=config.relu_alpha_critic,
        l2=config.l2_reg_critic,
        dropout=config.dropout_critic,
        bn_momentum=config.bn_momentum_critic,
        layer_norm=config.layer_norm_critic,
    )
    states = keras.Input((observation_size,), name="states")
    actions = keras.Input((action_size,), name="actions")
    join = _concatenated if config.join_critic == "concatenate" else _added
    x = join(make, make.observations(states), actions, config)
    x = make.hidden(x, config.hidden_layer_sizes_joint, "joint")
    return keras.Model([states, actions], make.output(x, 1, "q_values"), name="critic")


def _concatenated(
    make: _Layers, states: keras.KerasTensor, actions: keras.KerasTensor, config: AgentConfig
) -> keras.KerasTensor:
    observation_path, action_path = config.hidden_layer_sizes_critic
    states = make.hidden(states, observation_path, "states", batch_norm=True)
    actions = make.hidden(actions, action_path, "actions")
    return keras.layers.Concatenate(name="join")([states, actions])


def _added(
    make: _Layers, states: keras.KerasTensor, actions: keras.KerasTensor, config: AgentConfig
) -> keras.KerasTensor:
    observation_path, action_path = config.hidden_layer_sizes_critic
    is_activated = config.join_critic == "add_activated"
    outputs = [
        make.hidden(x, sizes, name, ends_linear=not is_activated)
        for x, sizes, name in ((states, observation_path, "states"), (actions, action_path, "actions"))
    ]
    total = keras.layers.Add(name="sum")(outputs)
    x = make.leaky_relu(total, "sum_relu") if is_activated else make.activate(total, "sum")
    return make.batch_norm(x, "sum_norm")


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
