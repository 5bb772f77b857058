"""What does a seed cost, compared with an earlier commit, and how does the train stage's time grow with their number?

A seed: one process trains it as a worker of the train stage does, each commit with its own params.yaml; processor time
of the training without imports, and memory after it. The two take turns. The number: params.yaml's settings with fewer
episodes, a worker process per core, no tracking. Every worker loads TensorFlow and compiles once, however many seeds it
trains.
"""

import argparse
import importlib
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import before
import common

PACKAGES = ("numpy", "gymnasium", "tensorflow", "keras")
ROWS = {
    "processor seconds": lambda run: run["seconds"],
    "per 1,000 agent steps": lambda run: 1000 * run["seconds"] / run["agent_steps"],
    "agent steps": lambda run: run["agent_steps"],
    "updates": lambda run: run["updates"],
    "peak MB, of that of the imports": lambda run: run["peak_mb"] / run["import_mb"],
    "MB after training, of those of the imports": lambda run: run["mb"] / run["import_mb"],
}


def measure(kind: str, *arguments: Any) -> Any:
    """A seed or a stage."""
    return {"seed": measure_seed, "stage": measure_stage}[kind](*arguments)


def measure_seed(folder: str, seed: int, n_episodes: int | None) -> dict[str, float]:
    """The figures of a seed's training with the code in a folder; `None`: as many episodes as its params.yaml says."""
    os.chdir(folder)  # where this process's PYTHONPATH is
    is_now = Path(folder) == common.ROOT
    worker = importlib.import_module("pipeline.execution.seed_training" if is_now else "pipeline.train_worker")
    settings = importlib.import_module("pipeline.params").load(Path("params.yaml"))
    if n_episodes is not None:
        train = settings.train.model_copy(update={"n_episodes": n_episodes})
        settings = settings.model_copy(update={"train": train})
    worker.prepare()
    importlib.import_module("ddpg.agent")
    import_mb = common.peak_memory()
    started = time.process_time()
    with tempfile.TemporaryDirectory() as results:
        os.chdir(results)
        last: dict[str, Any] = {}
        best = [float("-inf")]

        def receive(message: Any) -> None:
            last.update(message[0])
            if message[0]["is_best"]:
                best.append(message[0]["validation_return"])

        worker.train_seed(worker.SeedTask(settings, seed, None), receive)
        os.chdir(common.ROOT)
    return {
        "seconds": time.process_time() - started,
        "agent_steps": last["agent_steps"],
        "updates": last["updates"],
        "best": best[-1],
        "import_mb": import_mb,
        "peak_mb": common.peak_memory(),
        "mb": common.resident_memory(),
    }


def measure_stage(n_seeds: int, n_episodes: int) -> float:
    """Seconds of training this many seeds."""
    from pipeline import params, train

    settings = params.load(common.ROOT / "params.yaml")
    settings = settings.model_copy(
        update={
            "seeds": tuple(range(1, n_seeds + 1)),
            "train": settings.train.model_copy(update={"n_episodes": n_episodes}),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        started = time.perf_counter()
        for _ in train.train_seeds(settings, dict.fromkeys(settings.seeds)):
            pass
        seconds = time.perf_counter() - started
        os.chdir(common.ROOT)
    return seconds


def compare_a_seed(n_seeds: int, n_episodes: int | None) -> dict[str, list[dict[str, float]]]:
    """The figures of some seeds, from 1 on, now and before."""
    with before.checked_out() as earlier:
        folders = {"now": common.ROOT, before.COMMIT: earlier}
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in folders}
        for seed in range(1, n_seeds + 1):
            for name, folder in folders.items():
                environment = {**common.environment_of("ours"), "PYTHONPATH": str(folder)}
                figures = common.measure(__file__, "seed", str(folder), seed, n_episodes, environment=environment)
                runs[name].append(figures)
    return runs


def show_a_seed(runs: Mapping[str, list[dict[str, float]]]) -> None:
    """Prints the table of what a seed costs."""
    now, then = runs.values()
    rows = []
    for label, figure in ROWS.items():
        spreads = [common.spread(map(figure, some)) for some in (now, then)]
        ratio = spreads[0]["median"] / spreads[1]["median"]
        rows.append([label, *(common.shown(each) for each in spreads), f"{ratio:.2f}×"])
    print("\n## A seed\n")
    common.table(["", *runs, "ratio"], rows)
    best = " and ".join(f"{statistics.mean(run['best'] for run in some):.2f}" for some in (now, then))
    print(
        f"\nMedians over {len(now)} seeds; each commit with its own params.yaml. The best policies' validation returns"
    )
    print(f"have the means {best}.")


def main() -> None:
    """Measures a seed of both commits, and each number of seeds, in turn."""
    if common.answer(measure):
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1, help="of each number (1)")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 5, 10], help="numbers (1 2 5 10)")
    parser.add_argument("--episodes", type=int, default=50, help="per seed, of the numbers (50)")
    parser.add_argument("--compared", type=int, default=5, help="seeds that are compared; 0: none (5)")
    parser.add_argument("--compared-episodes", type=int, help="per seed of these (as params.yaml says)")
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    if arguments.compared:
        results["a_seed"] = compare_a_seed(arguments.compared, arguments.compared_episodes)
        show_a_seed(results["a_seed"])
    if arguments.seeds:
        results |= {"n_episodes": arguments.episodes, "seconds": compare_numbers(arguments)}
    common.write(__file__, PACKAGES, results)


def compare_numbers(arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Measures and prints the seconds of each number of seeds."""
    runs: dict[int, list[float]] = {n: [] for n in arguments.seeds}
    for _ in range(arguments.runs):
        for n in arguments.seeds:
            runs[n].append(common.measure(__file__, "stage", n, arguments.episodes, environment={}))
    results = {str(n): common.spread(seconds) for n, seconds in runs.items()}
    cores = os.cpu_count() or 1
    one = results[str(arguments.seeds[0])]["median"] / arguments.seeds[0]
    print("\n## Seeds\n")
    rows = []
    for n in arguments.seeds:
        times_one = results[str(n)]["median"] / one
        rows.append(
            [str(n), common.shown(results[str(n)], 1), f"{times_one:.2f}×", f"{n / times_one / min(n, cores):.0%}"]
        )
    common.table(["seeds", "seconds", "of one seed", "efficiency"], rows)
    print(f"\n{arguments.episodes} episodes a seed; efficiency: of as many cores as there are seeds, {cores} at most.")
    return results


if __name__ == "__main__":
    main()
