"""The train stage: an agent for each seed, side by side, into `results/train/`."""

import contextlib
import re
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from ddpg.evaluation.statistics import interquartile_mean
from ddpg.finite import NotFiniteError
from ddpg.history import TrainingHistory
from pipeline import errors, results, stage
from pipeline.execution import checkpoints, seed_training, workers
from pipeline.execution.progress import SeedProgress
from pipeline.params import Params
from pipeline.tracking import LiveTraining


def train(params: Params) -> None:
    """Trains all seeds, writes the stage's results and records them."""
    started = time.perf_counter()
    results.recreate(results.TRAIN / "seeds")
    rows: list[dict[str, Any]] = []
    key = checkpoints.training_key(params)
    with (
        checkpoints.kept(key) if params.train.checkpoint_every else contextlib.nullcontext() as folder,
        LiveTraining(params.model_dump(mode="json"), None if folder is None else key) as tracker,
        SeedProgress(params.train.n_episodes) as progress,
        contextlib.closing(train_seeds(params, folder)) as episodes_as_they_end,
    ):
        for seed, record, networks in episodes_as_they_end:
            rows.append({"seed": seed, **record})
            tracker.log_episode(seed, record, networks)
            progress.advance(seed, record)
        episodes = in_order_of(params.seeds, rows)
        results.write_table(results.TRAIN / "episodes.csv", episodes)
        results.write_json(results.TRAIN / "metrics.json", summarize(episodes))
        for warning in warnings_about(episodes):
            print(f"warning: {warning}", file=sys.stderr)
        tracker.finish(results.RESULTS, {"train_seconds": time.perf_counter() - started})


def in_order_of(seeds: Sequence[int], rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A row per seed and episode in the order of the parameters, whichever worker was faster."""
    return pd.DataFrame([row for seed in seeds for row in rows if row["seed"] == seed])


def train_seeds(
    params: Params, folder: Path | None = None
) -> Generator[tuple[int, dict[str, Any], TrainingHistory], None, None]:
    """Trains the seeds in worker processes; yields each episode once, as `seed_training.train_seed` sends it.

    Args:
        params: The experiment's.
        folder: For the seeds' checkpoints; `None`: they have none.

    Raises:
        StageError: A seed's environment raised or its process died, twice, or its training diverged.
    """
    # A quarter of a second that other uses of this module do not need.
    import joblib  # type: ignore[import-untyped]

    tasks = {
        seed: seed_training.SeedTask(params, seed, None if folder is None else folder / str(seed))
        for seed in params.seeds
    }
    # Not os.cpu_count(), which also counts cores that an affinity or a container keeps from this process.
    n_workers = min(params.train.workers or joblib.cpu_count(), len(tasks))
    last_episodes = dict.fromkeys(tasks, 0)

    def try_again(seed: int, cause: str) -> None:
        _say(f"warning: seed {seed} failed in episode {last_episodes[seed] + 1} ({cause}); it is tried once more")

    messages = workers.run(
        tasks,
        n_workers,
        seed_training.prepare,
        seed_training.train_seed,
        hopeless=(NotFiniteError,),
        on_retry=try_again,
    )
    with contextlib.closing(messages):
        try:
            for seed, message in messages:
                if isinstance(message, str):
                    _say(f"seed {seed}: {message}")
                    continue
                record, networks = message
                # A seed that is tried again sends again.
                if record["episode"] > last_episodes[seed]:
                    last_episodes[seed] = record["episode"]
                    yield seed, record, networks
        except workers.TaskError as error:
            raise _failure(error, last_episodes[error.name] + 1, folder) from error


def _failure(error: workers.TaskError, episode: int, folder: Path | None) -> errors.StageError:
    twice = " twice, the last time" if error.attempts > 1 else ""
    lines = [f"train: seed {error.name} failed{twice} in episode {episode}: {error.cause}"]
    if re.search(r"(?i:memory)|\bOOM\b", error.cause):
        lines.append("Try a smaller train.workers or agent.replay_buffer_size.")
    if folder is not None:
        lines.append(
            "All seeds' checkpoints are kept: `dvc repro` goes on from there, unless what it depends on changes. "
            f"After a change to the environment's own code, delete the folder {checkpoints.FOLDER} first."
        )
    return errors.StageError("\n".join(lines), error.details)


def _say(text: str) -> None:
    # Above the bars, where there are some.
    tqdm.write(text, file=sys.stderr)


def warnings_about(episodes: pd.DataFrame) -> Iterator[str]:
    """What is likely a mistake in the parameters."""
    last = episodes.groupby("seed", sort=False).last()
    for seed in last.index[last["updates"] == 0]:
        n_goals = int(episodes.loc[episodes["seed"] == seed, "reached_goal"].sum())
        yield (
            f"seed {seed} never learned: it made {int(last['agent_steps'][seed])} agent steps and reached the goal in "
            f"{n_goals} episodes; see agent.learning_starts and agent.successes_before_learning"
        )


def summarize(episodes: pd.DataFrame) -> dict[str, float]:
    """The stage's metrics, from one row per seed and episode."""
    by_seed = episodes.groupby("seed", sort=False)
    metrics = {
        "goal_reached_share": float(episodes["reached_goal"].mean()),
        "environment_steps_mean": float(by_seed["environment_steps"].last().mean()),
        "training_return_last_10_iqm": _iqm(by_seed["training_return"].apply(_mean_of_last_10)),
    }
    for column, name in (
        ("test_return", "test_return_last_10_iqm"),
        ("validation_return", "validation_return_best_iqm"),
    ):
        if episodes[column].notna().any():
            per_seed = by_seed[column].max() if "best" in name else by_seed[column].apply(_mean_of_last_10)
            # A seed that never learned was never validated, and has none.
            metrics[name] = _iqm(per_seed.dropna())
    return metrics


def _iqm(per_seed: "pd.Series[float]") -> float:
    return float(interquartile_mean(np.asarray(per_seed, np.float64)))


def _mean_of_last_10(values: "pd.Series[float]") -> float:
    return float(values.tail(10).mean())


if __name__ == "__main__":
    stage.run(train, "Trains an agent for each seed and writes results/train/.")
