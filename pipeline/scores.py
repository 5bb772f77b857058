"""Tables and metrics of the evaluate stage, from the episodes of each seed's policies."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ddpg.algorithm.policy import Policy
from ddpg.evaluation.diagnosis import diagnose
from ddpg.evaluation.rollouts import mean_score
from ddpg.evaluation.statistics import bootstrap, interquartile_mean
from ddpg.history import EpisodeHistory
from ddpg.seeding import Stream, generator
from pipeline.params import EvaluateConfig

POLICIES = ("best", "final")


class EvaluatedPolicy(NamedTuple):
    """A policy and its evaluation episodes."""

    seed: int
    name: str
    """`best` or `final`."""
    policy: Policy
    episodes: Sequence[EpisodeHistory]

    @property
    def score(self) -> float:
        """Mean return."""
        return mean_score(self.episodes)


def episodes_table(evaluated: Sequence[EvaluatedPolicy], threshold: float | None) -> pd.DataFrame:
    """A row per seed, policy and episode.

    An episode succeeds if the environment says so in `info["is_success"]`, else if its return reaches the threshold, or
    without one if it reaches the goal; see `EpisodeHistory.reached_goal`.
    """
    return pd.DataFrame(
        {
            "seed": each.seed,
            "policy": each.name,
            "episode": i,
            "return": episode.score,
            "agent_steps": episode.n_steps,
            "environment_steps": episode.environment_steps,
            "success": is_success(episode, threshold),
        }
        for each in evaluated
        for i, episode in enumerate(each.episodes)
    )


def is_success(episode: EpisodeHistory, threshold: float | None) -> bool:
    """Whether an episode succeeds; see `episodes_table`."""
    if episode.is_success is not None or threshold is None:
        return episode.reached_goal
    return episode.score >= threshold


def seeds_table(evaluated: Sequence[EvaluatedPolicy], training: pd.DataFrame, threshold: float | None) -> pd.DataFrame:
    """A row per seed: mean returns and, with a threshold, when it was first reached and a diagnosis of each policy.

    Args:
        evaluated: The best and the final policy of each seed, in this order.
        training: Rows of the train stage's episodes.csv.
        threshold: The return that solves the task; `None`: the environment states none.
    """
    rows = []
    for best, final in zip(evaluated[::2], evaluated[1::2], strict=True):
        row: dict[str, Any] = {"seed": best.seed, "best_return": best.score, "final_return": final.score}
        if threshold is not None:
            episodes = training[training["seed"] == best.seed]
            # A policy that retired from its validation was scored on a few start states only.
            solved = episodes[episodes["is_best"] & (selection_score(episodes) >= threshold)].head(1)
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
    """The score that selected the best policy: the validation return or, without validation, the test return."""
    return training["test_return" if training["validation_return"].isna().all() else "validation_return"]


def median_seed(seeds: pd.DataFrame) -> int:
    """The seed with the median best policy; the lower of the middle two for an even number of seeds."""
    ranked = seeds.sort_values(["best_return", "seed"])["seed"].tolist()
    return int(ranked[(len(ranked) - 1) // 2])


def summarize(seeds: pd.DataFrame, threshold: float | None, settings: EvaluateConfig) -> dict[str, Any]:
    """The stage's metrics, from `seeds_table`; shares and steps only with a threshold."""
    metrics: dict[str, Any] = {"median_seed": median_seed(seeds)}
    for name in POLICIES:
        returns = seeds[f"{name}_return"]
        interval = bootstrap(
            returns.to_numpy(float),
            interquartile_mean,
            settings.confidence_level,
            settings.n_bootstrap_samples,
            generator(settings.seed, Stream.BOOTSTRAP),
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
            # A seed that never solved the task counts as the longest; if most never did, there is no median.
            median = float(seeds[column].fillna(np.inf).median())
            metrics[f"{column}_median"] = median if np.isfinite(median) else None
    return metrics
