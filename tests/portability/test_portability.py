"""The same bytes on every processor: small results against committed digests, and under emulated processors."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ddpg.numerics import PINNED, unsupported_machine

ROOT = Path(__file__).parents[2]
DIGESTS = Path(__file__).with_name("digests.json")

pytestmark = pytest.mark.skipif(unsupported_machine() is not None, reason=str(unsupported_machine()))


def computed(*emulator, **variables):
    """The digests that a process of its own finds, which starts without the variables that the library sets."""
    environment = {name: value for name, value in os.environ.items() if name not in PINNED} | variables
    done = subprocess.run(
        [*emulator, sys.executable, "-m", "tests.portability.results"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def check(found):
    expected = json.loads(DIGESTS.read_text())
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


@pytest.mark.slow
def test_small_results_have_the_committed_bytes():
    of_a_shell = {
        "KERAS_BACKEND": "jax",
        "NPY_ENABLE_CPU_FEATURES": "X86_V3",
        "OMP_NUM_THREADS": "2",
        "OPENBLAS_CORETYPE": "Prescott",
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "XLA_FLAGS": "--xla_cpu_enable_fast_math=true",
    }
    check(computed(**of_a_shell))


@pytest.mark.minutes
@pytest.mark.parametrize("processor", ["Haswell", "max"])
def test_an_emulated_processor_makes_the_committed_bytes(processor):
    emulator = shutil.which("qemu-x86_64")
    if emulator is None:
        pytest.skip("expected qemu-x86_64, found none; `make qemu` installs it")
    check(computed(emulator, "-cpu", processor))
