"""What does the pipeline cost around the work: running what changed, finding that nothing did, and tracking?

In a temporary clone of the last commit with two seeds and few episodes: `dvc repro` from nothing, with a seed more and
without it again, after an edit of an animate parameter, and with nothing to do, against `dvc status`, in turn; and the
train stage with MLflow's store, with a server that cannot be reached, and without tracking, in turn, the store's first
use apart.

Then, with the default parameters, this commit against an earlier one in turn, each in clones and with results of its
own: `dvc repro` from nothing, evaluate and animate again, `--help`, and `dvc repro` with nothing to do. Processor time
is that of all processes.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import common

PACKAGES = ("dvc", "mlflow", "tensorflow")
WAYS = ("off", "on", "unreachable")
BASE = "e8ff93f"
"""The commit that speed is compared with unless another is named."""
AGAIN = {
    "`evaluate`": ["python", "-m", "pipeline.evaluate"],
    "`animate`": ["python", "-m", "pipeline.animate"],
    "`train --help`": ["python", "-m", "pipeline.train", "--help"],
    "`animate --help`": ["python", "-m", "pipeline.animate", "--help"],
    "`dvc repro` with nothing to do": ["dvc", "repro"],
    "`dvc status`": ["dvc", "status"],
}
"""After a `dvc repro`, in this order. Evaluate finds its run and its model in MLflow's store, and adds nothing."""
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}
# Nobody listens at the port of `discard`.
NOWHERE = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}


def edit(project: Path, section: str, **changes: Any) -> None:
    """Changes parameters in `params.yaml`."""
    yaml = YAML()
    path = project / "params.yaml"
    document = yaml.load(path)
    if section:
        document[section].update(changes)
    else:
        document.update(changes)
    yaml.dump(document, path)


def run(project: Path, *command: str, environment: dict[str, str] | None = None) -> dict[str, float]:
    """Seconds of a command: the whole, its processes' processor time, and each stage that DVC runs in it."""
    started, used = time.perf_counter(), processor_seconds()
    process = subprocess.Popen(
        command,
        cwd=project,
        env=ENVIRONMENT | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seconds: dict[str, float] = {}
    begun: list[tuple[str, float]] = []
    output = []
    for line in process.stdout or ():
        output.append(line)
        stage = re.match("Running stage '(.*)'", line)
        if stage:
            begun.append((stage[1], time.perf_counter()))
    if process.wait():
        raise RuntimeError(f"{' '.join(command)} failed:\n{''.join(output)[-2000:]}")
    finished = time.perf_counter()
    moments = [*(at for _, at in begun), finished]
    for (stage_name, at), until in zip(begun, moments[1:], strict=True):
        seconds[stage_name] = until - at
    return {**seconds, "whole": finished - started, "processor": processor_seconds() - used}


def processor_seconds() -> float:
    """Of all processes that this one has started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def clone(project: Path, commit: str = "HEAD") -> Path:
    """Clones this repository at a commit."""
    subprocess.run(["git", "clone", "--quiet", "--no-checkout", str(common.ROOT), str(project)], check=True)
    subprocess.run(["git", "checkout", "--quiet", "--detach", commit], cwd=project, check=True)
    return project


def against(base: str, folder: Path, n_runs: int) -> dict[str, dict[str, dict[str, Any]]]:
    """Wall and processor seconds of this commit and of `base` in turn, and their ratios, by what was run."""
    head = common.commit().removesuffix("-dirty")
    runs: dict[str, dict[str, list[dict[str, float]]]] = {}
    for i in range(n_runs):
        for name, commit in (("ours", head), ("base", base)):
            project = clone(folder / f"{name} {i}", commit)
            # Stages share the first process's costs, such as the store's creation.
            runs.setdefault("`dvc repro` from nothing", {}).setdefault(name, []).append(run(project, "dvc", "repro"))
            for what, command in AGAIN.items():
                runs.setdefault(what, {}).setdefault(name, []).append(run(project, *command))
            shutil.rmtree(project)
    compared: dict[str, dict[str, dict[str, Any]]] = {}
    for what, by_name in runs.items():
        first = by_name["ours"][0]
        for measure in ("whole", "processor", *(stage for stage in ("train", "evaluate", "animate") if stage in first)):
            values = {name: [each[measure] for each in some] for name, some in by_name.items()}
            ratios = [ours / its for ours, its in zip(values["ours"], values["base"], strict=True)]
            compared.setdefault(what, {})[measure] = {
                **{name: common.spread(some) for name, some in values.items()},
                "ratio": common.spread(ratios),
            }
    return compared


def measure(way: str) -> float:
    """Seconds of the train stage in the working directory."""
    from pipeline import params, train
    from pipeline.execution import seed_store

    shutil.rmtree(seed_store.FOLDER, ignore_errors=True)  # or there would be nothing to train
    if way == "off":
        train.LiveTraining = Untracked
    started = time.perf_counter()
    train.train(params.load())
    return time.perf_counter() - started


class Untracked:
    """Records nothing."""

    def __init__(self, *_: Any) -> None: ...

    def __enter__(self) -> "Untracked":
        return self

    def __exit__(self, *_: object) -> None: ...

    def log_episode(self, *_: Any) -> None:
        """Drops an episode."""

    def finish(self, *_: Any) -> None:
        """Drops the results."""


def main() -> None:
    """Measures all in clones."""
    if common.answer(measure):
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2, help="of what takes turns (2)")
    parser.add_argument("--episodes", type=int, default=30, help="per seed (30)")
    parser.add_argument("--base", default=BASE, help=f"the commit to compare with ({BASE})")
    parser.add_argument("--only-base", action="store_true", help="nothing but the comparison with it; writes no file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = {} if arguments.only_base else costs(Path(folder), arguments.runs, arguments.episodes)
        results["base"] = {"commit": arguments.base, "runs": against(arguments.base, Path(folder), arguments.runs)}
    if not arguments.only_base:
        show(results)
    show_base(results["base"])
    if not arguments.only_base:
        common.write(__file__, PACKAGES, results)


def costs(folder: Path, n_runs: int, n_episodes: int) -> dict[str, Any]:
    """What the pipeline costs around the work, in one clone."""
    project = clone(folder / "project")
    edit(project, "", seeds=[1, 2])
    edit(project, "train", n_episodes=n_episodes)
    results: dict[str, Any] = {"n_episodes": n_episodes, "repro": {}}
    results["repro"]["from nothing"] = run(project, "dvc", "repro")
    for name, seeds in (("with one more seed", [1, 2, 3]), ("with that seed removed", [1, 2])):
        edit(project, "", seeds=seeds)
        results["repro"][name] = run(project, "dvc", "repro")
    edit(project, "animate", fps=16)
    results["repro"]["after an edit of animate"] = run(project, "dvc", "repro")
    idle: dict[str, list[float]] = {"dvc repro": [], "dvc status": []}
    for _ in range(n_runs):
        for command, some in idle.items():
            some.append(run(project, *command.split())["whole"])
    results["nothing to do"] = {command: common.spread(some) for command, some in idle.items()}
    results["tracking"] = tracking(project, n_runs)
    return results


def tracking(project: Path, n_runs: int) -> dict[str, dict[str, float]]:
    """Seconds of the train stage by way of tracking."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(n_runs):
        for way, some in seconds.items():
            command = [sys.executable, __file__, "--measure", f'"{way}"']
            environment = {"PYTHONPATH": str(project), **(NOWHERE if way == "unreachable" else {})}
            done = subprocess.run(
                command, cwd=project, env=ENVIRONMENT | environment, check=True, capture_output=True, text=True
            )
            some.append(float(done.stdout.splitlines()[-1]))
    return {way: common.spread(some) for way, some in seconds.items()}


def show(results: dict[str, Any]) -> None:
    """Prints the tables."""
    print("\n## Pipeline\n")
    stages = ("train", "evaluate", "animate", "whole")
    common.table(
        ["`dvc repro`, seconds", *stages],
        [
            [name, *(f"{seconds[stage]:.1f}" if stage in seconds else "" for stage in stages)]
            for name, seconds in results["repro"].items()
        ],
    )
    for title, first in (("nothing to do", "dvc status"), ("tracking", "off")):
        print()
        some = results[title]
        common.table(
            [f"{title}, seconds", "", f"of {first}"],
            [[name, common.shown(row), f"{row['median'] / some[first]['median']:.2f}×"] for name, row in some.items()],
        )
    print(f"\nTwo seeds, {results['n_episodes']} episodes each.")


def show_base(base: dict[str, Any]) -> None:
    """Prints the comparison with the earlier commit."""
    print(f"\n### Against {base['commit']}, median of seconds\n")
    names = {
        "whole": "wall",
        "processor": "processor",
        **{stage: f"{stage}, wall" for stage in ("train", "evaluate", "animate")},
    }
    rows = [
        [what, names[measure], *(f"{row[name]['median']:.2f}" for name in ("base", "ours")), common.shown(row["ratio"])]
        for what, measures in base["runs"].items()
        for measure, row in measures.items()
    ]
    common.table(["", "", base["commit"], "now", "ratio"], rows)


if __name__ == "__main__":
    main()
