"""The train stage: train an agent for each seed, several at a time, and write `results/train/`."""

import contextlib
import re
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from ddpg.environments.interface import UnsuitableEnvironmentError
from ddpg.evaluation.statistics import interquartile_mean
from ddpg.finite import NotFiniteError
from ddpg.history import TrainingHistory
from pipeline import errors, results, stage
from pipeline.execution import seed_store, seed_training, workers
from pipeline.execution.inputs import Inputs
from pipeline.execution.progress import SeedProgress
from pipeline.params import Params, picture_problem
from pipeline.tracking import LiveTraining
from pipeline.tracking import record as record_stage

Episode = tuple[int, dict[str, Any], TrainingHistory]
"""A seed, the fields of an `EpisodeRecord`, and the networks after the episode; see `seed_training.networks_after`."""


def train(params: Params) -> None:
    """Train the seeds that are not in the seed store, write the stage's results and record them."""
    started = time.perf_counter()
    # Films come last; what they lack is better known first.
    problem = picture_problem(params)
    if problem:
        _say(f"warning: the environment will not be filmed, the rollout shows paths of the state: {problem}")
    results.recreate(results.TRAIN / "seeds")
    settings = params.model_dump(mode="json")
    with seed_store.SeedStore(params) as store:
        stored = reuse_seeds(params.seeds, store)
        missing = {seed: store.directory(seed) for seed in params.seeds if seed not in stored}
        if missing:
            with LiveTraining(settings, store.key) as tracker:
                is_new = not (stored or any(map(seed_store.has_checkpoints, missing.values())))
                write_tables(params.seeds, list(log_episodes(params, stored, missing, store, tracker)))
                tracker.finish(results.RESULTS, {"train_seconds": time.perf_counter() - started} if is_new else {})
            return
        write_tables(params.seeds, [{"seed": seed, **record} for seed in stored for record in stored[seed]])
    # Outside, because a run of seeds that are locked counts as one that is still being written.
    record_stage("train", settings, results.RESULTS)


def reuse_seeds(seeds: Sequence[int], store: seed_store.SeedStore) -> dict[int, list[dict[str, Any]]]:
    """Copy the results of the seeds that the store holds; return the fields of each seed's `EpisodeRecord`s."""
    reused = {}
    for seed in seeds:
        records = store.restore(seed, results.seed_folder(seed))
        if records is not None:
            _say(f"seed {seed}: already trained, reused")
            reused[seed] = records
    return reused


def log_episodes(
    params: Params,
    stored: Mapping[int, Sequence[dict[str, Any]]],
    missing: Mapping[int, Path | None],
    store: seed_store.SeedStore,
    tracker: LiveTraining,
) -> Iterator[dict[str, Any]]:
    """Log the stored seeds' episodes, then train the missing ones; yields rows of the stage's table."""
    for seed, records in stored.items():
        for record, networks in seed_training.stored_episodes(results.seed_folder(seed), records):
            tracker.log_episode(seed, record, networks)
            yield {"seed": seed, **record}
    settings = params.train
    n_successes = params.agent.successes_before_learning
    with (
        SeedProgress(settings.n_episodes, settings.n_environment_steps, n_successes) as progress,
        contextlib.closing(train_seeds(params, missing, store.inputs)) as episodes,
    ):
        for seed, record, networks in episodes:
            tracker.log_episode(seed, record, networks)
            progress.advance(seed, record)
            yield {"seed": seed, **record}


def write_tables(seeds: Sequence[int], rows: Sequence[dict[str, Any]]) -> None:
    """Write the stage's tables from a row per seed and episode, and print the warnings about them."""
    episodes = in_order_of(seeds, rows)
    results.write_table(results.TRAIN / "episodes.csv", episodes)
    results.write_json(results.TRAIN / "metrics.json", summarize(episodes))
    for warning in warnings_about(episodes):
        print(f"warning: {warning}", file=sys.stderr)


def in_order_of(seeds: Sequence[int], rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return a row per seed and episode, with the seeds in this order, whichever finished first."""
    return pd.DataFrame([row for seed in seeds for row in rows if row["seed"] == seed])


def train_seeds(
    params: Params, directories: Mapping[int, Path | None], inputs: Inputs | None = None
) -> Generator[Episode, None, None]:
    """Train seeds in worker processes; yields each episode once.

    Args:
        params: The experiment's parameters.
        directories: By seed to train: its directory in the seed store, `None` if it has none.
        inputs: See `seed_training.SeedTask`.

    Raises:
        StageError: A seed's environment raised or its process died, twice, or its training diverged.
    """
    # Imported here since it takes a quarter of a second.
    import joblib  # type: ignore[import-untyped]

    tasks = {seed: seed_training.SeedTask(params, seed, directory, inputs) for seed, directory in directories.items()}
    # os.cpu_count() ignores the limits that a CPU affinity or a container sets.
    n_workers = min(params.train.workers or joblib.cpu_count(), len(tasks))
    last_episodes = dict.fromkeys(tasks, 0)

    def warn_of_retry(seed: int, cause: str) -> None:
        _say(f"warning: seed {seed} failed in episode {last_episodes[seed] + 1} ({cause}); retrying once")

    messages = workers.run(
        tasks,
        n_workers,
        seed_training.prepare,
        seed_training.train_seed,
        non_retryable=(NotFiniteError, UnsuitableEnvironmentError),
        on_retry=warn_of_retry,
    )
    with contextlib.closing(messages):
        try:
            for seed, message in messages:
                if isinstance(message, str):
                    _say(f"seed {seed}: {message}")
                    continue
                record, networks = message
                # A retried seed sends its episodes again.
                if record["episode"] > last_episodes[seed]:
                    last_episodes[seed] = record["episode"]
                    yield seed, record, networks
        except workers.TaskError as error:
            is_stored = any(directories.values())
            raise _failure(error, last_episodes[error.name] + 1, is_stored=is_stored) from error


def _failure(error: workers.TaskError, episode: int, *, is_stored: bool) -> errors.StageError:
    twice = " twice, the last time" if error.attempts > 1 else ""
    lines = [f"train: seed {error.name} failed{twice} in episode {episode}: {error.cause}"]
    if re.search(r"(?i:memory)|\bOOM\b", error.cause):
        lines.append("Try a smaller train.workers or agent.replay_buffer_size.")
    if is_stored:
        lines.append(
            "Finished seeds and the checkpoints of the others are kept: `dvc repro` resumes from them, unless what it "
            "depends on changes."
        )
    return errors.StageError("\n".join(lines), error.details)


def _say(text: str) -> None:
    # Above the progress bars, if there are any.
    tqdm.write(text, file=sys.stderr)


def warnings_about(episodes: pd.DataFrame) -> Iterator[str]:
    """Yield a warning for each likely mistake in the parameters."""
    last = episodes.groupby("seed", sort=False).last()
    for seed in last.index[last["updates"] == 0]:
        n_goals = int(episodes.loc[episodes["seed"] == seed, "reached_goal"].sum())
        yield (
            f"seed {seed} never learned: it made {int(last['agent_steps'][seed])} agent steps and reached the goal in "
            f"{n_goals} episodes; see agent.learning_starts and agent.successes_before_learning"
        )


def summarize(episodes: pd.DataFrame) -> dict[str, float]:
    """Return the stage's metrics, from one row per seed and episode."""
    by_seed = episodes.groupby("seed", sort=False)
    metrics = {
        "goal_reached_share": float(episodes["reached_goal"].mean()),
        "environment_steps_mean": float(by_seed["environment_steps"].last().mean()),
        "training_return_last_10_iqm": _iqm(by_seed["training_return"].apply(_mean_of_last_10)),
    }
    # A seed that never learned has no validation return.
    best = episodes[episodes["is_best"]].groupby("seed", sort=False)["validation_return"].max().dropna()
    if len(best):
        metrics["validation_return_best_iqm"] = _iqm(best)
    if episodes["test_return"].notna().any():
        metrics["test_return_last_10_iqm"] = _iqm(by_seed["test_return"].apply(_mean_of_last_10))
    return metrics


def _iqm(per_seed: "pd.Series[float]") -> float:
    return float(interquartile_mean(np.asarray(per_seed, np.float64)))


def _mean_of_last_10(values: "pd.Series[float]") -> float:
    return float(values.tail(10).mean())


if __name__ == "__main__":
    stage.run(train, "Train an agent for each seed and write results/train/.")
