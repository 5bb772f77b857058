"""What does the pipeline cost around the work: running what changed, finding that nothing did, and tracking?

In a temporary clone of the last commit with two seeds and few episodes: `dvc repro` from nothing, with a seed more and
without it again, after an edit of an animate parameter, and with nothing to do, against `dvc status`, in turn; and the
train stage with MLflow's store, with a server that cannot be reached, and without tracking, in turn, the store's first
use apart.
"""

import argparse
import os
import re
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
    """Seconds of a command: the whole, and each stage that DVC runs in it."""
    started = time.perf_counter()
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
    return {**seconds, "whole": finished - started}


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
    """Measures all in one clone."""
    if common.answer(measure):
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2, help="of what takes turns (2)")
    parser.add_argument("--episodes", type=int, default=30, help="per seed (30)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        subprocess.run(["git", "clone", "--quiet", str(common.ROOT), str(project)], check=True)
        edit(project, "", seeds=[1, 2])
        edit(project, "train", n_episodes=arguments.episodes)
        results: dict[str, Any] = {"n_episodes": arguments.episodes, "repro": {}}
        results["repro"]["from nothing"] = run(project, "dvc", "repro")
        for name, seeds in (("with one more seed", [1, 2, 3]), ("with that seed removed", [1, 2])):
            edit(project, "", seeds=seeds)
            results["repro"][name] = run(project, "dvc", "repro")
        edit(project, "animate", fps=16)
        results["repro"]["after an edit of animate"] = run(project, "dvc", "repro")
        idle: dict[str, list[float]] = {"dvc repro": [], "dvc status": []}
        for _ in range(arguments.runs):
            for command, some in idle.items():
                some.append(run(project, *command.split())["whole"])
        results["nothing to do"] = {command: common.spread(some) for command, some in idle.items()}
        results["tracking"] = tracking(project, arguments.runs)
    show(results)
    common.write(__file__, PACKAGES, results)


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


if __name__ == "__main__":
    main()
