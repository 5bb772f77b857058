"""TensorFlow and Keras, loaded without parts that are not used here, and XLA, started with this project's options."""

import contextlib
import functools
import os

import numpy as np

from ddpg.numerics import checks, unsupported_machine
from ddpg.numerics.lazy_imports import lazily
from ddpg.numerics.quiet import silent_stderr

# These load scikit-learn, much of SciPy, and Matplotlib: a third of the processor time of the import, and 80 MB.
with lazily("keras.src.visualization", "keras.visualization", "keras.wrappers"), silent_stderr():
    import keras
    import tensorflow as tf

    tf.config.list_physical_devices()  # which is when it looks for GPUs, and says that it found none

if keras.backend.backend() != "tensorflow":
    raise ImportError(f"KERAS_BACKEND: expected tensorflow, received {keras.backend.backend()}")

if keras.config.floatx() != "float32":  # by the user's ~/.keras/keras.json
    keras.config.set_floatx("float32")

__all__ = ["keras", "start_xla", "tf"]

_FAST = (
    "--xla_backend_optimization_level=2",  # LLVM's highest level generates slower loops for small networks
    # Passing a part of an update to another thread takes longer than computing it.
    "--xla_cpu_enable_concurrency_optimized_scheduler=false",
)
_PORTABLE = (
    "--xla_cpu_max_isa=AVX2",
    # XLA compiles matrix products itself instead of calling YNNPACK or Eigen; see `dense`; on one thread only.
    "--xla_cpu_experimental_ynn_fusion_type=",
    "--xla_cpu_multi_thread_eigen=false",
    # And it does not use the instruction for reciprocal square roots, which AMD and Intel round differently. These two
    # must be passed like this: as separate options they abort the process.
    "--xla_backend_extra_options=xla_force_enable_experimental_llvm_ir_gemm,xla_cpu_disable_platform_dependent_math",
)


def _use_one_thread() -> None:
    """Sets one thread, the fastest for small networks, unless a number was chosen. Results do not depend on it."""
    threading = tf.config.threading
    for get, set_ in (
        (threading.get_intra_op_parallelism_threads, threading.set_intra_op_parallelism_threads),
        (threading.get_inter_op_parallelism_threads, threading.set_inter_op_parallelism_threads),
    ):
        if get() == 0:  # TensorFlow's default: one per core
            with contextlib.suppress(RuntimeError):  # TensorFlow has already started
                set_(1)


_use_one_thread()


@functools.cache
def start_xla() -> bool:
    """Starts XLA with this project's options, which it reads once; returns whether they took effect.

    The user's options in XLA_FLAGS are kept, but ours take precedence.
    """
    chosen = os.environ.get("XLA_FLAGS")
    if not chosen or chosen.lstrip().startswith("-"):  # else it is the name of a file with options
        options = _FAST if unsupported_machine() else (*_FAST, *_PORTABLE)
        os.environ["XLA_FLAGS"] = " ".join([*(chosen or "").split(), *options])
    try:
        numbers = np.linspace(0.01, 3, 1024, dtype=np.float32)
        roots = tf.function(tf.math.rsqrt, jit_compile=True, autograph=False)(tf.constant(numbers)).numpy()
    finally:
        # JAX reads the same variable, and aborts the process if it does not know an option.
        if chosen is None:
            del os.environ["XLA_FLAGS"]
        else:
            os.environ["XLA_FLAGS"] = chosen
    # With the processor's approximate instruction some are off by one bit: a quarter on AMD's Zen 4.
    return bool((roots == 1 / np.sqrt(numbers)).all())


def _obstacles() -> list[str]:
    """Obstacles of TensorFlow and XLA, which it starts."""
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
