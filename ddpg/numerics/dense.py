"""Dense layers whose matrix products and gradients XLA compiles itself."""

from typing import Any

from ddpg.numerics.backend import keras, tf


def with_own_products(model: keras.Model) -> keras.Model:
    """Clones a functional model, with new weights and with dense layers that multiply by `matmul`."""

    def copy(layer: keras.Layer) -> keras.Layer:
        kind = _Dense if type(layer) is keras.layers.Dense else type(layer)
        return kind.from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=copy)


class _Dense(keras.layers.Dense):  # type: ignore[misc] # Keras' types are not known
    def call(self, inputs: Any, training: bool | None = None) -> Any:  # noqa: ARG002 (Keras passes it)
        return self.activation(matmul(tf.convert_to_tensor(inputs), tf.convert_to_tensor(self.kernel)) + self.bias)


@tf.custom_gradient
def matmul(x: Any, kernel: Any) -> Any:
    """The matrix product of x, shape (n, features), and kernel, shape (features, units): shape (n, units).

    TensorFlow's own gradients multiply transposed operands. For those XLA calls Eigen, which splits a product by the
    sizes of the processor's caches and sums the parts in different orders. If the operands are transposed first, XLA
    compiles the product: each sum is a chain of fused multiply-adds from the first term to the last, or, for a single
    unit, the total of several such chains.
    """

    def gradient(upstream: Any) -> tuple[Any, Any]:
        return upstream @ tf.transpose(kernel), tf.transpose(x) @ upstream

    return x @ kernel, gradient
