"""Portable numerics: the same results on every x86-64 Linux machine with AVX2, whatever its processor.

Libraries choose among several versions of their code by the processor, the size of its caches and the number of cores,
and each version rounds differently. This package pins one of them:

- here, by environment variables that NumPy and oneDNN read once, so `ddpg` must be imported before NumPy;
- in `backend`, by TensorFlow's threads and XLA's options;
- in `dense` and `products`, by the order in which matrix products are summed, in learning and in acting.

`obstacles` lists what prevents this in the current process. See docs/REPRODUCIBILITY.md.
"""

import os
import platform
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

# The features that level x86-64-v3 adds, as /proc/cpuinfo names them.
_X86_64_V3 = frozenset({"abm", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"})

PINNED = {
    # NumPy's AVX-512 versions of sin, cos, exp, log and tanh round differently.
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",  # for environments that multiply matrices; the library itself uses no BLAS
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # Eigen calls it for products outside of XLA, whatever the next says
    "TF_ENABLE_ONEDNN_OPTS": "0",
}

STAGE_ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "MATPLOTLIBRC": os.devnull,  # pictures do not depend on a user's style
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
    "SDL_VIDEODRIVER": "dummy",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
"""Environment variables for processes that run this project alone, such as a stage: one thread, no GPU, no window, no
log messages. Like the others they only take effect before NumPy and TensorFlow are loaded."""


class PortabilityWarning(UserWarning):
    """Results of this process may differ from those of another machine: in their last bits, and then altogether."""


@cache
def unsupported_machine() -> str | None:
    """Why results of this machine may differ from those of supported machines; `None` if it is supported."""
    machine = f"{platform.system()} on {platform.machine()}"
    if machine != "Linux on x86_64":
        return f"the same numbers are computed by Linux on x86_64, and this is {machine}"
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.exists() else []
    features = next((line.split(":")[1].split() for line in lines if line.startswith("flags")), [])
    missing = sorted(_X86_64_V3.difference(features))
    return f"the processor lacks {', '.join(missing)} of x86-64-v3" if missing else None


def _pin() -> list[str]:
    """Sets the variables; returns what was loaded too early to read them, in the form of `obstacles`."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # only errors
    if unsupported_machine():
        return []
    are_set = all(os.environ.get(name) == value for name, value in PINNED.items())
    found = []
    if "numpy" in sys.modules and not are_set:
        found.append(
            "numpy was imported before ddpg, so what an environment computes with it may depend on the processor"
        )
        if {"NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES"} & os.environ.keys():
            found.append("and with NPY_*_CPU_FEATURES set, so the policy may depend on these features")
    if "tensorflow" in sys.modules and not are_set:
        found.append("tensorflow was imported before ddpg, so its products may depend on the processor")
    # NumPy accepts either a list of features to enable or one to disable.
    os.environ.pop("NPY_ENABLE_CPU_FEATURES", None)
    os.environ.update(PINNED)
    return found


_found_at_import = _pin()

checks: list[Callable[[], list[str]]] = []
"""Further sources of obstacles: `backend` adds TensorFlow's once it is loaded."""


def obstacles() -> list[str]:
    """What prevents this process from computing the same results as other machines; empty if nothing does."""
    machine = unsupported_machine()
    found = [machine] if machine else _found_at_import
    return [*found, *(obstacle for check in checks for obstacle in check())]


@cache
def warn_of_obstacles() -> None:
    """Issues one warning per process if there are `obstacles`."""
    found = obstacles()
    if found:
        warnings.warn(
            f"results repeat on this machine, but may differ from another's: {'; '.join(found)}",
            PortabilityWarning,
            stacklevel=3,  # where the method that trains was called
        )
