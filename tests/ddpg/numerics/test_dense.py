import keras
import numpy as np
import pytest
import tensorflow as tf

from ddpg.numerics import unsupported_machine
from ddpg.numerics.backend import start_xla
from ddpg.numerics.dense import matmul, with_own_products

# Whole tiles of eight and less, sums that Eigen would split, and more rows than fit into a cache.
SHAPES = [
    (1, 3, 2),
    (7, 5, 4),
    (64, 16, 32),
    (100, 400, 300),
    (300, 257, 17),
    (1024, 32, 16),
    (5000, 8, 3),
    (50, 32, 1),
]


def arrays(*shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def with_gradients(x, kernel, upstream):
    start_xla()
    return _with_gradients(x, kernel, upstream)


@tf.function(jit_compile=True, autograph=False)
def _with_gradients(x, kernel, upstream):
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        y = matmul(x, kernel)
    return y, *tape.gradient(y, [x, kernel], upstream)


def chain(a, b):
    """The product by fused multiply-adds in order; a product of two float32 is exact in float64."""
    total = np.zeros((a.shape[0], b.shape[1]), np.float32)
    for i in range(a.shape[1]):
        total = (a[:, i : i + 1].astype(float) * b[i].astype(float) + total).astype(np.float32)
    return total


@pytest.mark.slow
@pytest.mark.parametrize(("n_rows", "features", "units"), SHAPES)
def test_product_and_gradients_are_those_of_the_plain_product(n_rows, features, units):
    x, kernel, upstream = arrays((n_rows, features), (features, units), (n_rows, units))
    received = with_gradients(x, kernel, upstream)
    exact = [each.astype(float) for each in (x, kernel, upstream)]
    expected = exact[0] @ exact[1], exact[2] @ exact[1].T, exact[0].T @ exact[2]
    for ours, plain in zip(received, expected, strict=True):
        np.testing.assert_allclose(ours, plain, atol=2e-6 * np.abs(plain).max() * np.sqrt(n_rows))


@pytest.mark.skipif(unsupported_machine() is not None, reason=str(unsupported_machine()))
@pytest.mark.parametrize(("n_rows", "features", "units"), [shape for shape in SHAPES if 1 not in shape])
def test_each_sum_is_a_chain_of_fused_multiply_adds_whatever_the_caches(n_rows, features, units):
    x, kernel, upstream = arrays((n_rows, features), (features, units), (n_rows, units))
    y, dx, dkernel = with_gradients(x, kernel, upstream)
    for ours, expected in (
        (y, chain(x, kernel)),
        (dx, chain(upstream, kernel.T)),
        (dkernel, chain(x.T, upstream)),
    ):
        # The chain here rounds twice, once to float64, which now and then changes the last bit.
        assert (ours.numpy() != expected).mean() < 1e-4


def test_a_model_with_own_products_is_the_model_in_every_other_respect():
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(4, "tanh", kernel_regularizer=keras.regularizers.L2(0.1))(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.BatchNormalization()(hidden)))
    copy = with_own_products(model)
    assert [variable.shape for variable in copy.variables] == [variable.shape for variable in model.variables]
    x, trainable = arrays((6, 3))[0], [variable.value for variable in model.trainable_variables]
    statistics = [variable.value for variable in model.non_trainable_variables]
    expected = model.stateless_call(trainable, statistics, x, training=True, return_losses=True)
    received = copy.stateless_call(trainable, statistics, x, training=True, return_losses=True)
    for ours, theirs in zip(tf.nest.flatten(received), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
