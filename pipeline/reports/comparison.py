"""The scores of two results: how much they differ, how sure that is, and what it means in words."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from ddpg.evaluation.statistics import (
    Interval,
    Scores,
    Statistic,
    bootstrap,
    bootstrap_difference,
    interquartile_mean,
    median,
    probability_of_improvement,
    seeds_needed,
    with_worst,
)
from ddpg.seeding import Stream, generator
from pipeline.provenance.result import CONFIDENCE_LEVEL, Result
from pipeline.reports.changes import Changes, changes_between

N_SAMPLES = 10_000
_SEED = 0
_LARGE = 1_000
"""From here on decimals are noise, and a line of the table would be too long."""


@dataclass(frozen=True)
class Metric:
    """A score of each seed, a column of `results/evaluate/seeds.csv`."""

    name: str
    label: str
    higher_is_better: bool
    statistic: Statistic
    """Over seeds, as in `results/evaluate/metrics.json`."""
    statistic_name: str
    digits: int
    """Decimals shown."""

    def scores(self, result: Result) -> Scores:
        """One per seed, in their order; a seed without one has the worst possible, an infinite one."""
        return with_worst(result.seeds[self.name], higher_is_better=self.higher_is_better)

    def show(self, value: float) -> str:
        """A value as people read it."""
        if math.isinf(value):
            return "diverged" if self.higher_is_better else "never"
        return f"{value:,.{self._digits(value)}f}"

    def show_change(self, value: float) -> str:
        """A difference, with its sign."""
        return f"{value:+,.{self._digits(value)}f}"

    def _digits(self, value: float) -> int:
        return self.digits if abs(value) < _LARGE else 0


METRICS = (
    Metric("best_return", "best return", True, interquartile_mean, "interquartile mean", 2),
    Metric("final_return", "final return", True, interquartile_mean, "interquartile mean", 2),
    Metric("environment_steps_to_solve", "steps to solve", False, median, "median", 0),
    Metric("episodes_to_solve", "episodes to solve", False, median, "median", 0),
)
"""The first is what a verdict on the whole comparison rests on."""


class Outcome(StrEnum):
    """What the interval of a difference says; see `pipeline.reports.comparison.Difference.outcome`."""

    BETTER = "better"
    WORSE = "worse"
    UNCERTAIN = "not distinguishable"
    EQUAL = "equal"


@dataclass(frozen=True)
class Difference:
    """A metric of two results whose scores may be compared."""

    metric: Metric
    baseline: Interval
    candidate: Interval
    change: Interval
    """Candidate less baseline, in the metric's unit."""
    improvement: Interval
    """Probability that a random seed of the candidate is better than one of the baseline."""
    n_seeds: tuple[int, int]
    seeds_needed: int | None
    """About how many would tell a difference of this size."""
    equal: bool
    """Every seed scores the same in both."""

    @property
    def outcome(self) -> Outcome:
        """Equal scores; else better or worse where the interval of the change excludes 0, and uncertain otherwise."""
        if self.equal:
            return Outcome.EQUAL
        low, high = self.gain.low, self.gain.high
        return Outcome.BETTER if low > 0 else Outcome.WORSE if high < 0 else Outcome.UNCERTAIN

    @property
    def gain(self) -> Interval:
        """The change, turned so that up is better."""
        value, low, high = self.change
        return self.change if self.metric.higher_is_better else Interval(-value, -high, -low)

    def is_regression(self, tolerance: float) -> bool:
        """Whether the interval of the change excludes that the candidate is no worse than this.

        Args:
            tolerance: In the metric's unit, not negative.
        """
        return self.gain.high < -tolerance


@dataclass(frozen=True)
class Comparison:
    """What differs between two results."""

    baseline: Result
    candidate: Result
    changes: Changes
    identical: bool
    """Both hold the same scores, episode by episode."""
    comparable: bool
    """Both are scores of one environment."""
    paired: bool
    """Seeds and start states agree, so that seed i of both belongs together."""
    same_starts: bool
    """Policies were evaluated from the same start states."""
    cautions: list[str]
    """What a reader has to know, a sentence each."""
    values: dict[Metric, tuple[Interval, Interval]]
    """Of the metrics that both have."""
    differences: list[Difference]
    """Empty where the scores are not comparable."""

    @property
    def verdict(self) -> str:
        """The outcome in a sentence."""
        if self.identical:
            return "The results are identical: the same scores in every seed and episode."
        if not self.comparable:
            return "The environments differ: scores of different tasks cannot be compared."
        if not self.differences:
            return "The results have no score in common."
        return f"{self.differences[0].metric.label.capitalize()}: {describe(self.differences[0], self)}."


def compare(baseline: Result, candidate: Result) -> Comparison:
    """All that differs from the baseline in the candidate."""
    comparable = _of_both(baseline, candidate, "environment")
    same_seeds = list(baseline.seeds["seed"]) == list(candidate.seeds["seed"])
    same_starts = all(_of_both(baseline, candidate, "evaluate", name) for name in ("seed", "n_episodes"))
    paired = comparable and same_seeds and same_starts
    metrics = [each for each in METRICS if each.name in baseline.seeds and each.name in candidate.seeds]
    values = {metric: (_value(metric, baseline), _value(metric, candidate)) for metric in metrics}
    changes = changes_between(baseline, candidate)
    return Comparison(
        baseline,
        candidate,
        changes,
        identical=comparable
        and baseline.seeds.equals(candidate.seeds)
        and baseline.evaluation.equals(candidate.evaluation),
        comparable=comparable,
        paired=paired,
        same_starts=comparable and same_starts,
        cautions=list(_cautions(baseline, candidate, changes, same_seeds, same_starts)),
        values=values,
        differences=[_difference(metric, baseline, candidate, paired, values) for metric in metrics if comparable],
    )


def describe(difference: Difference, comparison: Comparison) -> str:
    """A difference's outcome in words that respect how many seeds there are."""
    name = comparison.candidate.name
    seeds = count_seeds(difference.n_seeds)
    if difference.outcome is Outcome.EQUAL:
        return "equal in every seed"
    if min(difference.n_seeds) == 1:
        return "one seed cannot tell; train at least two, better five"
    if difference.outcome in (Outcome.BETTER, Outcome.WORSE):
        return f"{name} is {difference.outcome}, with {seeds}"
    needed = difference.seeds_needed
    if needed is None:
        return f"not distinguishable with {seeds}"
    needed = max(_two_digits(needed), max(difference.n_seeds) + 1)
    return f"not distinguishable with {seeds}; about {needed:,} would be needed to see a difference of this size"


def count_seeds(n_seeds: tuple[int, int]) -> str:
    """How many seeds there are, in words."""
    n, m = n_seeds
    if n != m:
        return f"{n} and {m} seeds"
    return "1 seed" if n == 1 else f"{n} seeds"


def _two_digits(number: int) -> int:
    return int(float(f"{number:.2g}"))


def _of_both(baseline: Result, candidate: Result, section: str, name: str | None = None) -> bool:
    """Whether both have the same parameter or section."""
    one, other = (each.params.get(section, {}) for each in (baseline, candidate))
    return bool(one == other) if name is None else bool(one.get(name) == other.get(name))


def _value(metric: Metric, result: Result) -> Interval:
    """With the interval of the evaluate stage, as in its metrics.json."""
    settings: dict[str, Any] = result.params.get("evaluate", {})
    rng = generator(settings.get("seed", _SEED), Stream.BOOTSTRAP)
    n_samples = settings.get("n_bootstrap_samples", N_SAMPLES)
    return bootstrap(metric.scores(result), metric.statistic, result.confidence_level, n_samples, rng)


def _difference(
    metric: Metric,
    baseline: Result,
    candidate: Result,
    paired: bool,
    values: dict[Metric, tuple[Interval, Interval]],
) -> Difference:
    a, b = metric.scores(baseline), metric.scores(candidate)
    settings: dict[str, Any] = {"paired": paired, "confidence_level": CONFIDENCE_LEVEL, "n_samples": N_SAMPLES}
    change, error = bootstrap_difference(a, b, metric.statistic, **settings, rng=generator(_SEED, Stream.BOOTSTRAP))
    return Difference(
        metric,
        *values[metric],
        change=change,
        improvement=probability_of_improvement(
            a, b, higher_is_better=metric.higher_is_better, **settings, rng=generator(_SEED, Stream.BOOTSTRAP)
        ),
        n_seeds=(len(a), len(b)),
        seeds_needed=seeds_needed(change.value, error, len(a), len(b), confidence_level=CONFIDENCE_LEVEL),
        equal=np.array_equal(a, b) if paired else np.array_equal(np.sort(a), np.sort(b)),
    )


def _cautions(
    baseline: Result, candidate: Result, changes: Changes, same_seeds: bool, same_starts: bool
) -> Iterator[str]:
    for result in (baseline, candidate):
        if result.is_edited:
            yield f"params.yaml of {result.name} was edited after its results were made: run `dvc repro`."
    if not _of_both(baseline, candidate, "environment"):
        return
    if not same_starts:
        yield "The evaluation's start states differ (evaluate.seed or evaluate.n_episodes): seeds are not paired."
    elif not same_seeds:
        yield "The seeds differ: they are not paired."
    for result in (baseline, candidate):
        for metric in METRICS:
            if metric.name in result.seeds and np.isinf(metric.scores(result)).any():
                n = int(np.isinf(metric.scores(result)).sum())
                share = f"{n} of {len(result.seeds)} seeds of {result.name}"
                yield f"{metric.label.capitalize()}: {share} have none, which counts as the worst possible."
    for package in changes.packages:
        if package.name in ("gymnasium", "numpy", "tensorflow", "keras"):
            yield f"{package.name} differs ({package.baseline} and {package.candidate}), which may change scores too."
