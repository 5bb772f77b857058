"""TensorFlow and Keras, loaded without what nothing here uses, and XLA, started so that it suits small networks."""

import functools
import os

from ddpg.lazy_imports import lazily

# They load scikit-learn, with much of SciPy, and Matplotlib, which takes a third of the time.
with lazily("keras.src.visualization", "keras.visualization", "keras.wrappers"):
    import keras
    import tensorflow as tf

if keras.backend.backend() != "tensorflow":
    raise ImportError(f"KERAS_BACKEND: expected tensorflow, received {keras.backend.backend()}")

__all__ = ["keras", "start_xla", "tf"]

_XLA_FLAGS = "--xla_backend_optimization_level=2 --xla_cpu_enable_concurrency_optimized_scheduler=false"


@functools.cache
def start_xla() -> None:
    """Starts XLA, unless it runs already, with options that make an update of small networks fast; it reads them once.

    LLVM's highest level makes slower loops of them. The schedule for concurrency gives parts of an update to another
    thread, which takes longer to hand over than to compute. Options of the user's come last, and so count.
    """
    chosen = os.environ.get("XLA_FLAGS")
    if not chosen or chosen.lstrip().startswith("-"):  # else it names a file with options, and stands alone
        os.environ["XLA_FLAGS"] = f"{_XLA_FLAGS} {chosen or ''}"
    try:
        tf.function(tf.identity, jit_compile=True, autograph=False)(tf.zeros(()))
    finally:
        # JAX reads the same variable, and ends the process over an option that it does not know.
        if chosen is None:
            del os.environ["XLA_FLAGS"]
        else:
            os.environ["XLA_FLAGS"] = chosen
