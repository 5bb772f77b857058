"""What the benchmarks share: measurements in processes of their own, taking turns, and how they are told."""

import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"

ONE_THREAD = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
"""Environment variables that hold NumPy, TensorFlow and PyTorch to one thread."""

PEER = {
    **ONE_THREAD,
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
"""The same, and JAX."""

# Before anything imports `ddpg`, which would hold peers to AVX2 too.
_INHERITED = dict(os.environ)

# The networks and settings of the README; what a peer does not have, it does without.
README = {
    "ou_mu": 0,
    "ou_theta": 0.05,
    "ou_sigma": 0.25,
    "discount_factor": 0.999,
    "replay_buffer_size": 10000,
    "replay_batch_size": 1024,
    "tau_actor": 0.3,
    "tau_critic": 0.1,
    "relu_alpha_actor": 0.01,
    "relu_alpha_critic": 0.01,
    "lr_actor": 0.0001,
    "lr_critic": 0.005,
    "activation_fn_actor": "tanh",
    "l2_reg_actor": 0.01,
    "l2_reg_critic": 0.01,
    "bn_momentum_actor": 0,
    "bn_momentum_critic": 0.7,
    "hidden_layer_sizes_actor": [16, 32, 16],
    "hidden_layer_sizes_critic": [[16, 32], [16, 32]],
}


def environment_of(library: str) -> dict[str, str]:
    """Of the processes that measure `ours` or a peer."""
    if library != "ours":
        return PEER
    from ddpg.numerics import PINNED

    return ONE_THREAD | PINNED


def measure(script: str, *arguments: Any, environment: Mapping[str, str] | None = None) -> Any:
    """Runs `script --measure ARGUMENTS` in a process of its own; returns what its last line says as JSON.

    Args:
        script: The benchmark's path.
        *arguments: Passed to its `measure`, as JSON.
        environment: Variables of the process; `None`: those of `ours`.
    """
    done = subprocess.run(
        [sys.executable, script, "--measure", *(json.dumps(each) for each in arguments)],
        check=False,
        capture_output=True,
        text=True,
        env={**_INHERITED, **(environment_of("ours") if environment is None else environment)},
    )
    if done.returncode:
        raise RuntimeError(f"{Path(script).name} --measure {arguments} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def answer(measurement: Callable[..., Any]) -> bool:
    """In a process that `measure` started: prints what it asked for. Says whether this is one."""
    if sys.argv[1:2] != ["--measure"]:
        return False
    print("\n" + json.dumps(measurement(*(json.loads(each) for each in sys.argv[2:]))))
    return True


def peak_memory() -> float:
    """The most memory that this process has held, in MB."""
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def resident_memory() -> float:
    """Memory that this process holds now, in MB."""
    import psutil

    return float(psutil.Process().memory_info().rss / 1e6)


def load_tensorflow() -> None:
    """Loads it as the train stage does, on one thread, and without JAX, which it would load here with it."""
    sys.modules.setdefault("jax", None)  # type: ignore[arg-type]
    import ddpg.numerics.backend  # noqa: F401


def spread(values: Iterable[float]) -> dict[str, float]:
    """Median, lowest and highest."""
    values = sorted(values)
    return {"median": statistics.median(values), "lowest": values[0], "highest": values[-1]}


def shown(spread: Mapping[str, float], digits: int = 2) -> str:
    """`median [lowest, highest]`."""
    return "{median:.{d}f} [{lowest:.{d}f}, {highest:.{d}f}]".format(**spread, d=digits)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a Markdown table."""
    print("\n".join(markdown(header, rows)), flush=True)


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table; all columns but the first are aligned to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def circumstances(packages: Sequence[str]) -> dict[str, Any]:
    """The machine and these packages' versions."""
    machine = {"processor": processor(), "cores": os.cpu_count(), "system": platform.system()}
    versions = {package: importlib.metadata.version(package) for package in packages}
    return {"machine": machine, "versions": {"python": platform.python_version(), **versions}}


def write(script: str, packages: Sequence[str], results: Any) -> None:
    """Writes `results/SCRIPT.json`, with the commit, the machine and these packages' versions, and prints those."""
    document = {"commit": commit(), **circumstances(packages), "results": results}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{Path(script).stem}.json"
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    machine = document["machine"]
    print(
        f"\nCommit {document['commit']}; {machine['processor']}, {machine['cores']} cores, {machine['system']}; ",
        end="",
    )
    print(", ".join(f"{name} {version}" for name, version in document["versions"].items()), flush=True)


def commit() -> str:
    """The commit that is measured, with `-dirty` where its files, but for these results, are edited."""
    hash_ = _git("rev-parse", "--short", "HEAD")
    edited = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)benchmarks/results")
    return f"{hash_}{'-dirty' * bool(edited)}" if hash_ else "unknown"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)
    return done.stdout.strip()


def processor() -> str:
    """The processor's name as Linux tells it, else its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())
