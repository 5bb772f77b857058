"""The train stage: an agent for each seed, side by side, into `results/train/`."""

import multiprocessing
import os
import queue
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

import pandas as pd

from ddpg.history import TrainingHistory
from ddpg.statistics import interquartile_mean
from pipeline import results, stage, train_worker
from pipeline.params import Params
from pipeline.progress import SeedProgress
from pipeline.tracking import LiveTraining


def train(params: Params) -> None:
    """Trains all seeds, writes the stage's results and records them."""
    started = time.perf_counter()
    results.start_afresh(results.TRAIN / "seeds")
    rows: list[dict[str, Any]] = []
    with LiveTraining(params.model_dump(mode="json")) as tracker, SeedProgress(params.train.n_episodes) as progress:
        for seed, record, networks in train_seeds(params):
            rows.append({"seed": seed, **record})
            tracker.log_episode(seed, record, networks)
            progress.advance(seed, record)
        episodes = in_order_of(params.seeds, rows)
        episodes.to_csv(results.TRAIN / "episodes.csv", **results.CSV)
        results.write_json(results.TRAIN / "metrics.json", summarize(episodes))
        for warning in warnings_about(episodes):
            print(f"warning: {warning}", file=sys.stderr)
        tracker.finish(results.RESULTS, {"train_seconds": time.perf_counter() - started})


def in_order_of(seeds: Sequence[int], rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A row per seed and episode in the order of the parameters, whichever worker was faster."""
    return pd.DataFrame([row for seed in seeds for row in rows if row["seed"] == seed])


def train_seeds(params: Params) -> Iterator[tuple[int, dict[str, Any], TrainingHistory]]:
    """Trains the seeds in worker processes; yields what each episode sends, as `train_worker.start` says.

    Raises:
        RuntimeError: A worker died; the message says what may have ended it.
        Exception: Whatever training a seed raised, with a note that names the seed.
    """
    workers = min(params.train.workers or os.cpu_count() or 1, len(params.seeds))
    context = multiprocessing.get_context("spawn")
    records: Any = context.Queue()
    with (
        ProcessPoolExecutor(workers, context, train_worker.start, (records,)) as executor,
        _ended_on_error(executor),
    ):
        futures = {executor.submit(train_worker.train_seed, params, seed): seed for seed in params.seeds}
        missing = len(params.seeds) * params.train.n_episodes
        while missing:
            _raise_failures(futures)
            try:
                record = records.get(timeout=0.5)
            except queue.Empty:
                continue
            missing -= 1
            yield record
        wait(futures)
        _raise_failures(futures)


@contextmanager
def _ended_on_error(executor: ProcessPoolExecutor) -> Iterator[None]:
    """Ends the workers at once when the work is given up, instead of waiting for their seeds."""
    try:
        yield
    except BaseException:
        workers = multiprocessing.active_children()
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join(timeout=2)
        executor.shutdown(wait=False, cancel_futures=True)
        raise


def _raise_failures(futures: dict[Future[None], int]) -> None:
    for future, seed in futures.items():
        error = future.exception() if future.done() else None
        if isinstance(error, BrokenProcessPool):
            raise RuntimeError(
                "train: a worker process died; the system may have ended it for want of memory (try a smaller "
                "train.workers or agent.replay_buffer_size)"
            ) from error
        if error is not None:
            error.add_note(f"while training seed {seed}")
            raise error


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
        "training_return_last_10_iqm": interquartile_mean(by_seed["training_return"].apply(_mean_of_last_10)),
    }
    for column, name in (
        ("test_return", "test_return_last_10_iqm"),
        ("validation_return", "validation_return_best_iqm"),
    ):
        if episodes[column].notna().any():
            per_seed = by_seed[column].max() if "best" in name else by_seed[column].apply(_mean_of_last_10)
            # A seed that never learned was never validated, and has none.
            metrics[name] = interquartile_mean(per_seed.dropna())
    return metrics


def _mean_of_last_10(values: "pd.Series[float]") -> float:
    return float(values.tail(10).mean())


if __name__ == "__main__":
    stage.run(train, "Trains an agent for each seed and writes results/train/.")
