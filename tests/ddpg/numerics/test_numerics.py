import json
import os
import platform
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from ddpg import numerics

ROOT = Path(__file__).parents[3]


def run(program, **variables):
    environment = {name: value for name, value in os.environ.items() if name not in numerics.PINNED} | variables
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


supported = pytest.mark.skipif(numerics.unsupported_machine() is not None, reason=str(numerics.unsupported_machine()))


@pytest.mark.slow
@supported
@pytest.mark.parametrize("module", ["ddpg", "pipeline", "pipeline.train", "ddpg.visualizations"])
def test_variables_are_set_before_numpy_loads(module):
    program = (
        "import importlib, json, os, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'numpy': seen.append(dict(os.environ))\n"
        "seen = []; sys.meta_path.insert(0, Finder())\n"
        f"importlib.import_module({module!r}); import numpy\n"
        "from ddpg.numerics import obstacles\n"
        "print(json.dumps([seen[0], obstacles()]))\n"
    )
    user = {"NPY_ENABLE_CPU_FEATURES": "X86_V3", "OPENBLAS_CORETYPE": "Prescott", "OPENBLAS_NUM_THREADS": "2"}
    seen, obstacles = run(program, **user)
    assert numerics.PINNED.items() <= seen.items()
    assert "NPY_ENABLE_CPU_FEATURES" not in seen
    assert seen["OPENBLAS_NUM_THREADS"] == ("1" if module.startswith("pipeline") else "2")
    assert obstacles == []


@supported
def test_numpy_runs_on_one_kind_of_code_and_one_thread_in_the_pipeline():
    program = (
        "import pipeline, json, numpy\n"
        "from numpy.lib import introspect\n"
        "from threadpoolctl import threadpool_info\n"
        "(blas,) = threadpool_info()\n"
        "used = introspect.opt_func_info(func_name='^(sin|cos|exp|log|tanh)$')\n"
        "versions = {each['current'] for kinds in used.values() for each in kinds.values()}\n"
        "print(json.dumps([blas['architecture'], blas['num_threads'], sorted(versions)]))\n"
    )
    architecture, n_threads, versions = run(program, OPENBLAS_NUM_THREADS="2")
    assert (architecture, n_threads) == ("Haswell", 1)
    assert set(versions) <= {"X86_V3", "baseline(X86_V2)"}


@supported
def test_numpy_that_came_first_is_an_obstacle_unless_the_variables_did():
    program = "import json, numpy; from ddpg.numerics import obstacles; print(json.dumps(obstacles()))"
    (obstacle,) = run(program)
    assert obstacle.startswith("numpy was imported before ddpg")
    assert run(program, **numerics.PINNED) == []
    _, told = run(program, NPY_DISABLE_CPU_FEATURES="X86_V3")
    assert "the policy may depend" in told


@pytest.mark.parametrize(
    ("system", "machine", "features", "expected"),
    [
        ("Linux", "x86_64", "fpu avx2 fma f16c bmi1 bmi2 movbe abm avx512f", None),
        ("Linux", "x86_64", "fpu sse4_2 bmi1 bmi2 movbe abm", "the processor lacks avx2, f16c, fma"),
        ("Linux", "aarch64", "", "this is Linux on aarch64"),
        ("Darwin", "arm64", "", "this is Darwin on arm64"),
        ("Windows", "AMD64", "", "this is Windows on AMD64"),
    ],
)
def test_other_machines_are_named(system, machine, features, expected, monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: f"processor\t: 0\nflags\t\t: {features}\n")
    found = numerics.unsupported_machine.__wrapped__()
    assert found is None if expected is None else expected in found


def test_warns_once(monkeypatch):
    monkeypatch.setattr(numerics, "obstacles", lambda: ["one", "two"])
    monkeypatch.setattr(numerics, "warn_of_obstacles", numerics.warn_of_obstacles.__wrapped__)
    with pytest.warns(numerics.PortabilityWarning, match="may differ from another's: one; two"):
        numerics.warn_of_obstacles()
    monkeypatch.setattr(numerics, "obstacles", list)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        numerics.warn_of_obstacles()
