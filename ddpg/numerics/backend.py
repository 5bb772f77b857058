"""TensorFlow and Keras, loaded without what nothing here uses, and XLA, started with this project's options."""

import contextlib
import functools
import os

import numpy as np

from ddpg.numerics import checks, unsupported_machine
from ddpg.numerics.lazy_imports import lazily

# They load scikit-learn, with much of SciPy, and Matplotlib, which takes a third of the time.
with lazily("keras.src.visualization", "keras.visualization", "keras.wrappers"):
    import keras
    import tensorflow as tf

if keras.backend.backend() != "tensorflow":
    raise ImportError(f"KERAS_BACKEND: expected tensorflow, received {keras.backend.backend()}")

__all__ = ["keras", "start_xla", "tf"]

_FAST = (
    "--xla_backend_optimization_level=2",  # LLVM's highest level makes slower loops of small networks
    # Handing a part of an update to another thread takes longer than computing it.
    "--xla_cpu_enable_concurrency_optimized_scheduler=false",
)
_PORTABLE = (
    "--xla_cpu_max_isa=AVX2",
    # XLA compiles matrix products itself, instead of calling YNNPACK or Eigen; see `dense`. It does so for one thread.
    "--xla_cpu_experimental_ynn_fusion_type=",
    "--xla_cpu_multi_thread_eigen=false",
    # And no reciprocal square roots by an instruction that AMD and Intel round differently. These two have to go here:
    # as options of their own they end the process.
    "--xla_backend_extra_options=xla_force_enable_experimental_llvm_ir_gemm,xla_cpu_disable_platform_dependent_math",
)


def _use_one_thread() -> None:
    """For networks this small more threads cost time. A number that was chosen before stays, without other results."""
    threading = tf.config.threading
    for get, set_ in (
        (threading.get_intra_op_parallelism_threads, threading.set_intra_op_parallelism_threads),
        (threading.get_inter_op_parallelism_threads, threading.set_inter_op_parallelism_threads),
    ):
        if get() == 0:  # TensorFlow's default: one per core
            with contextlib.suppress(RuntimeError):  # TensorFlow has started
                set_(1)


_use_one_thread()


@functools.cache
def start_xla() -> bool:
    """Starts XLA with this project's options, which it reads once; says whether it had not been started with others.

    Options of the user's in XLA_FLAGS are passed on, before ours, so that ours count.
    """
    chosen = os.environ.get("XLA_FLAGS")
    if not chosen or chosen.lstrip().startswith("-"):  # else it names a file with options, and stands alone
        options = _FAST if unsupported_machine() else (*_FAST, *_PORTABLE)
        os.environ["XLA_FLAGS"] = " ".join([*(chosen or "").split(), *options])
    try:
        numbers = np.linspace(0.01, 3, 1024, dtype=np.float32)
        roots = tf.function(tf.math.rsqrt, jit_compile=True, autograph=False)(tf.constant(numbers)).numpy()
    finally:
        # JAX reads the same variable, and ends the process over an option that it does not know.
        if chosen is None:
            del os.environ["XLA_FLAGS"]
        else:
            os.environ["XLA_FLAGS"] = chosen
    # By the processor's approximation some are off by a bit: a quarter on AMD's Zen 4.
    return bool((roots == 1 / np.sqrt(numbers)).all())


def _obstacles() -> list[str]:
    """Those of TensorFlow and XLA; it starts them."""
    found = []
    if tf.config.get_visible_devices("GPU"):
        found.append("TensorFlow uses a GPU; CUDA_VISIBLE_DEVICES=-1 hides it")
    if unsupported_machine():
        return found  # where XLA has its own options
    if not start_xla():
        found.append("XLA was started before the first agent, or by XLA_FLAGS, with other options")
    elif os.environ.get("XLA_FLAGS"):
        found.append(f"XLA_FLAGS adds options: {os.environ['XLA_FLAGS']}")
    return found


checks.append(_obstacles)
