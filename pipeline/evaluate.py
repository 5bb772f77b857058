"""The evaluate stage: best and final policy of each seed on the same start states, into `results/evaluate/`."""

import shutil
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ddpg.algorithm.policy import Policy
from ddpg.environments.copies import copies
from ddpg.environments.interface import make, prepare, require_spaces_of, reward_threshold
from ddpg.evaluation.diagnosis import diagnose
from ddpg.evaluation.rollouts import mean_score, run_episodes
from ddpg.evaluation.statistics import bootstrap, interquartile_mean
from ddpg.history import EpisodeHistory, save_episodes
from ddpg.seeding import Stream, episode_seed, generator
from pipeline import results, stage, tracking
from pipeline.params import Params

CONCURRENT_EPISODES = 50
"""Environments stepped side by side: one policy call serves them all."""
POLICIES = ("best", "final")


class EvaluatedPolicy(NamedTuple):
    """A policy's episodes."""

    seed: int
    name: str
    """`best` or `final`."""
    policy: Policy
    episodes: Sequence[EpisodeHistory]

    @property
    def score(self) -> float:
        """The mean return."""
        return mean_score(self.episodes)


def evaluate(params: Params) -> None:
    """Evaluates all policies, writes the stage's results and records them."""
    training = results.read_table(
        results.require(results.TRAIN / "episodes.csv", "train"),
        ["seed", "episode"],
        ["environment_steps", "training_return", "test_return", "validation_return", "reached_goal"],
    )
    with make(params.environment.id, params.environment.kwargs) as env:
        threshold = reward_threshold(env)
        evaluated = evaluate_policies(
            params, copies(prepare(env), min(CONCURRENT_EPISODES, params.evaluate.n_episodes))
        )
    seeds = seeds_table(evaluated, training, threshold)
    results.start_afresh(results.EVALUATE / "policy")
    results.write_table(results.EVALUATE / "episodes.csv", episodes_table(evaluated, threshold))
    results.write_table(results.EVALUATE / "seeds.csv", seeds)
    metrics = summarize(params, seeds, threshold)
    (chosen,) = (each for each in evaluated if each.seed == metrics["median_seed"] and each.name == "best")
    save_episodes(results.EVALUATE / "trajectories.npz", chosen.episodes)
    shutil.copytree(results.seed_folder(chosen.seed) / chosen.name, results.EVALUATE / "policy", dirs_exist_ok=True)
    results.write_json(results.EVALUATE / "metrics.json", metrics)
    print(seeds.to_string(index=False))
    tracking.record("evaluate", params.model_dump(mode="json"), results.RESULTS)


def evaluate_policies(params: Params, envs: Sequence[Any]) -> list[EvaluatedPolicy]:
    """Best and final policy of each seed, from the start states that `evaluate.seed` gives."""
    start_states = [
        episode_seed(params.evaluate.seed, Stream.EVALUATION_EPISODES, i) for i in range(params.evaluate.n_episodes)
    ]
    evaluated = []
    for seed in params.seeds:
        for name in POLICIES:
            folder = results.require(results.seed_folder(seed) / name, "train")
            policy = Policy.load(folder)
            require_spaces_of(policy.description, envs[0], folder)
            episodes = run_episodes(policy, envs, start_states, params.train.action_repeat)
            evaluated.append(EvaluatedPolicy(seed, name, policy, episodes))
    return evaluated


def episodes_table(evaluated: Sequence[EvaluatedPolicy], threshold: float | None) -> pd.DataFrame:
    """A row per seed, policy and episode. Success is a return from the threshold on, or without one a reached goal."""
    return pd.DataFrame(
        {
            "seed": each.seed,
            "policy": each.name,
            "episode": i,
            "return": episode.score,
            "agent_steps": episode.n_steps,
            "environment_steps": episode.environment_steps,
            "success": episode.reached_goal if threshold is None else episode.score >= threshold,
        }
        for each in evaluated
        for i, episode in enumerate(each.episodes)
    )


def seeds_table(evaluated: Sequence[EvaluatedPolicy], training: pd.DataFrame, threshold: float | None) -> pd.DataFrame:
    """A row per seed: mean returns and, with a threshold, when it was first reached and what is wrong if it is not."""
    rows = []
    for best, final in zip(evaluated[::2], evaluated[1::2], strict=True):
        row: dict[str, Any] = {"seed": best.seed, "best_return": best.score, "final_return": final.score}
        if threshold is not None:
            episodes = training[training["seed"] == best.seed]
            solved = episodes[selection_score(episodes) >= threshold].head(1)
            row["episodes_to_solve"] = solved["episode"].item() if len(solved) else np.nan
            row["environment_steps_to_solve"] = solved["environment_steps"].item() if len(solved) else np.nan
            n_goals_seen = int((episodes["reached_goal"] | (episodes["training_return"] >= threshold)).sum())
            for each in (best, final):
                row[f"{each.name}_diagnosis"] = diagnose(
                    each.episodes, each.policy.actions, threshold, n_goals_seen, best.score
                ).value
        rows.append(row)
    return pd.DataFrame(rows)


def selection_score(training: pd.DataFrame) -> "pd.Series[float]":
    """What the best policy was chosen by: the validation return, or the test's where nothing was validated."""
    return training["test_return" if training["validation_return"].isna().all() else "validation_return"]


def median_seed(seeds: pd.DataFrame) -> int:
    """The seed whose best policy is the median one; of an even number the lower of the middle two."""
    ranked = seeds.sort_values(["best_return", "seed"])["seed"].tolist()
    return int(ranked[(len(ranked) - 1) // 2])


def summarize(params: Params, seeds: pd.DataFrame, threshold: float | None) -> dict[str, Any]:
    """The stage's metrics; shares and steps only where the environment states what counts as solved."""
    metrics: dict[str, Any] = {"median_seed": median_seed(seeds)}
    for name in POLICIES:
        returns = seeds[f"{name}_return"]
        interval = bootstrap(
            returns.to_numpy(float),
            interquartile_mean,
            params.evaluate.confidence_level,
            params.evaluate.n_bootstrap_samples,
            generator(params.evaluate.seed, Stream.BOOTSTRAP),
        )
        metrics[name] = {
            "return_iqm": interval.value,
            "return_iqm_low": interval.low,
            "return_iqm_high": interval.high,
            "return_worst_seed": float(returns.min()),
        }
        if threshold is not None:
            metrics[name]["solved_share"] = float((returns >= threshold).mean())
    if threshold is not None:
        for column in ("episodes_to_solve", "environment_steps_to_solve"):
            # A seed that never solved counts as the longest; where most never did, there is no median.
            median = float(seeds[column].fillna(np.inf).median())
            metrics[f"{column}_median"] = median if np.isfinite(median) else None
    return metrics


if __name__ == "__main__":
    stage.run(evaluate, "Evaluates the policies of the train stage and writes results/evaluate/.")
