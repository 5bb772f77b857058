"""How numbers are computed: the same ones on every x86-64 Linux machine with AVX2, whatever its processor.

Libraries choose among several versions of their code by the processor, the size of its caches and the number of cores,
and each version rounds differently. This package pins one of them:

- here, by environment variables that NumPy and oneDNN read once, so that `ddpg` has to be imported before NumPy;
- in `backend`, by TensorFlow's threads and XLA's options;
- in `dense` and `products`, by how matrix products are summed, in learning and in acting.

`obstacles` says what stands in the way in the present process. See docs/REPRODUCIBILITY.md.
"""

import os
import platform
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

# What the x86-64-v3 level of the processor's instructions adds, as /proc/cpuinfo names it.
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
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
    "SDL_VIDEODRIVER": "dummy",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
"""Environment variables of processes that run nothing but this project, such as a stage's: one thread, no GPU, no
window, no chatter. Like the others they count only before NumPy and TensorFlow are loaded."""


class PortabilityWarning(UserWarning):
    """Results of this process may differ in their last bits, and so in the end, from another machine's."""


@cache
def unsupported_machine() -> str | None:
    """Why this machine is not one of those that compute the same numbers; `None` if it is."""
    machine = f"{platform.system()} on {platform.machine()}"
    if machine != "Linux on x86_64":
        return f"the same numbers are computed by Linux on x86_64, and this is {machine}"
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.exists() else []
    features = next((line.split(":")[1].split() for line in lines if line.startswith("flags")), [])
    missing = sorted(_X86_64_V3.difference(features))
    return f"the processor lacks {', '.join(missing)} of x86-64-v3" if missing else None


def _pin() -> list[str]:
    """Sets the variables; returns what was loaded too early to read them, as `obstacles`."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if unsupported_machine():
        return []
    are_set = all(os.environ.get(name) == value for name, value in PINNED.items())
    found = []
    if "numpy" in sys.modules and not are_set:
        found.append(
            "numpy was imported before ddpg, so what an environment computes with it may depend on the processor"
        )
        if {"NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES"} & os.environ.keys():
            found.append("and it was told which of the processor's features to use, so the policy may depend on them")
    if "tensorflow" in sys.modules and not are_set:
        found.append("tensorflow was imported before ddpg, so its products may depend on the processor")
    # NumPy takes a list of what to enable or one of what to disable.
    os.environ.pop("NPY_ENABLE_CPU_FEATURES", None)
    os.environ.update(PINNED)
    return found


_found_at_import = _pin()

checks: list[Callable[[], list[str]]] = []
"""What else may find obstacles: of TensorFlow, once `backend` has loaded it."""


def obstacles() -> list[str]:
    """What keeps this process from computing the same numbers as other machines; empty if nothing does."""
    machine = unsupported_machine()
    found = [machine] if machine else _found_at_import
    return [*found, *(obstacle for check in checks for obstacle in check())]


@cache
def warn_of_obstacles() -> None:
    """Warns, once in a process, of what `obstacles` finds."""
    found = obstacles()
    if found:
        warnings.warn(
            f"results repeat on this machine, but may differ from another's: {'; '.join(found)}",
            PortabilityWarning,
            stacklevel=3,  # where the method that trains was called
        )
