"""How does the train stage's time grow with the number of seeds, on this machine's cores?

params.yaml's settings with fewer episodes, a worker process per core, no tracking. Every worker loads TensorFlow and
compiles once, however many seeds it trains.
"""

import argparse
import os
import tempfile
import time
from typing import Any

import common
from pipeline import params, train

PACKAGES = ("numpy", "gymnasium", "tensorflow", "keras")


def measure(n_seeds: int, n_episodes: int) -> float:
    """Seconds of training this many seeds."""
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


def main() -> None:
    """Measures each number, in turn."""
    if common.answer(measure):
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1, help="of each number (1)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 5, 10], help="numbers (1 2 5 10)")
    parser.add_argument("--episodes", type=int, default=50, help="per seed (50)")
    arguments = parser.parse_args()
    runs: dict[int, list[float]] = {n: [] for n in arguments.seeds}
    for _ in range(arguments.runs):
        for n in arguments.seeds:
            runs[n].append(common.measure(__file__, n, arguments.episodes, environment={}))
    results: dict[str, Any] = {str(n): common.spread(seconds) for n, seconds in runs.items()}
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
    common.write(__file__, PACKAGES, {"n_episodes": arguments.episodes, "seconds": results})


if __name__ == "__main__":
    main()
