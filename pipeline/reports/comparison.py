"""The scores of two results: how much they differ, how certain that is, and what it means in words."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from ddpg.evaluation import statistics
from ddpg.evaluation.statistics import Interval, Pairing
from ddpg.seeding import Stream, generator
from pipeline.provenance.result import CONFIDENCE_LEVEL, Result
from pipeline.reports.changes import Changes, changes_between
from pipeline.reports.formats import show_interval, show_percent
from pipeline.reports.metrics import METRICS, Metric

_N_SAMPLES = 10_000
_SEED = 0
_NUMERICAL_PACKAGES = ("gymnasium", "numpy", "tensorflow", "keras")


@dataclass(frozen=True)
class Difference:
    """A metric's difference between two results."""

    metric: Metric
    values: tuple[float, float]
    """Of the baseline and of the candidate."""
    change: Interval
    """Candidate less baseline, in the metric's unit."""
    pairing: Pairing | None
    """Whether the change is of paired seeds, and why; `None` if seeds or start states differ."""
    improvement: Interval
    """Probability that a random seed of the candidate is better than one of the baseline."""
    n_seeds: tuple[int, int]
    seeds_needed: int | None
    """About how many would detect a difference of this size."""
    equal: bool
    """Every seed scores the same in both."""

    @property
    def outcome(self) -> Literal["equal", "better", "worse", "uncertain"]:
        """Equal scores; else better or worse if the interval of the change excludes 0, and uncertain otherwise."""
        if self.equal:
            return "equal"
        return "better" if self.gain.low > 0 else "worse" if self.gain.high < 0 else "uncertain"

    @property
    def gain(self) -> Interval:
        """The change, signed such that positive is better."""
        value, low, high = self.change
        return self.change if self.metric.higher_is_better else Interval(-value, -high, -low)

    def describe(self, candidate: str) -> str:
        """The outcome in words that respect the number of seeds, given the candidate's name."""
        seeds = _count(self.n_seeds)
        if self.outcome == "equal":
            return "equal in every seed"
        if min(self.n_seeds) == 1:
            return "one seed cannot tell; train at least two, better five"
        if self.outcome != "uncertain":
            return f"{candidate} is {self.outcome}, with {seeds}"
        if self.seeds_needed is None:
            return f"not distinguishable with {seeds}"
        needed = max(int(float(f"{self.seeds_needed:.2g}")), max(self.n_seeds) + 1)
        return f"not distinguishable with {seeds}; about {needed:,} would be needed to detect a difference of this size"

    def show_change(self) -> str:
        """The change with its interval, where that has an end; an infinite change as "never → 7,386"."""
        value, low, high = self.change
        show = self.metric.show_change
        change = " → ".join(map(self.metric.show, self.values)) if math.isinf(value) else show(value)
        return change if math.isinf(low) and math.isinf(high) else f"{change} [{show(low)}, {show(high)}]"

    def show_improvement(self) -> str:
        """The probability of improvement with its interval."""
        return show_interval(*self.improvement, show_percent)

    def show_pairing(self) -> str:
        """Whether seeds are paired, and the correlation that decides it; empty if they cannot be."""
        if self.pairing is None:
            return ""
        paired, correlation, bound = self.pairing
        if math.isnan(correlation):
            return "not paired: correlation unknown"
        why = f"correlation {correlation:.2f}, {'beyond' if paired else 'within'} ±{bound:.2f}"
        return f"{'paired' if paired else 'not paired'}: {why}"


class Score(NamedTuple):
    """A metric of two results."""

    metric: Metric
    baseline: Interval
    candidate: Interval
    difference: Difference | None
    """`None` if the scores are of different environments."""


@dataclass(frozen=True)
class Comparison:
    """What differs between two results."""

    baseline: Result
    candidate: Result

    @cached_property
    def changes(self) -> Changes:
        """Of parameters, code and packages."""
        return changes_between(self.baseline, self.candidate)

    @property
    def comparable(self) -> bool:
        """Both are scores of one environment."""
        return self._share("environment")

    @property
    def same_starts(self) -> bool:
        """The policies were evaluated from the same start states."""
        return self.comparable and self._share("evaluate", "seed") and self._share("evaluate", "n_episodes")

    @property
    def same_seeds(self) -> bool:
        """The same seeds were trained."""
        return list(self.baseline.seeds["seed"]) == list(self.candidate.seeds["seed"])

    @property
    def matched(self) -> bool:
        """Score i of both belongs together: seeds and start states are the same."""
        return self.same_starts and self.same_seeds

    @cached_property
    def identical(self) -> bool:
        """Both hold the same scores, episode by episode."""
        a, b = self.baseline, self.candidate
        return self.comparable and a.seeds.equals(b.seeds) and a.evaluation.equals(b.evaluation)

    @cached_property
    def scores(self) -> list[Score]:
        """The metrics that both results have."""
        a, b = self.baseline, self.candidate
        return [
            Score(metric, _value(metric, a), _value(metric, b), self._difference(metric) if self.comparable else None)
            for metric in METRICS
            if metric.name in a.seeds and metric.name in b.seeds
        ]

    @property
    def differences(self) -> list[Difference]:
        """Of each metric that both have; empty if the scores are not comparable."""
        return [score.difference for score in self.scores if score.difference]

    @property
    def pairing(self) -> str:
        """How many seeds there are, and whether they can be paired, in words."""
        seeds = _count((len(self.baseline.seeds), len(self.candidate.seeds)))
        how = "the same from the same start states: paired where scores correlate" if self.matched else "not paired"
        return f"{seeds}, {how}"

    @property
    def verdict(self) -> str:
        """The outcome in a sentence."""
        if self.identical:
            edited = [result.name for result in (self.baseline, self.candidate) if result.is_edited]
            if edited:
                return f"The results are still the same: {' and '.join(edited)} was edited, and not run since."
            return "The results are identical: the same scores in every seed and episode."
        if not self.comparable:
            return "The environments differ: scores of different tasks cannot be compared."
        if not self.differences:
            return "The results have no score in common."
        first = self.differences[0]
        return f"{first.metric.label.capitalize()}: {first.describe(self.candidate.name)}."

    def cautions(self) -> Iterator[str]:
        """What a reader has to know, a sentence each."""
        for result in (self.baseline, self.candidate):
            if result.is_edited:
                yield f"params.yaml of {result.name} was edited after its results were made: run `dvc repro`."
        if not self.comparable:
            return
        if not self.same_starts:
            yield "The evaluation's start states differ (evaluate.seed or evaluate.n_episodes): seeds are not paired."
        elif not self.same_seeds:
            yield "The seeds differ: they are not paired."
        for result in (self.baseline, self.candidate):
            for metric in METRICS:
                missing = result.seeds[metric.name].isna().sum() if metric.name in result.seeds else 0
                if missing:
                    share = f"{missing} of {len(result.seeds)} seeds of {result.name}"
                    yield f"{metric.label.capitalize()}: missing for {share}, which counts as the worst possible."
        for name, baseline, candidate in self.changes.environments:
            yield f"{name} differs ({baseline} and {candidate}): the environment itself may be another one."
        for name, baseline, candidate in self.changes.packages:
            if name in _NUMERICAL_PACKAGES:
                yield f"{name} differs ({baseline} and {candidate}), which may change scores too."

    def check_regression(self, metric: str, tolerance: float) -> tuple[bool, str]:
        """Whether a metric is worse than tolerated, and why.

        Args:
            metric: Its name.
            tolerance: In the metric's unit, not negative.
        """
        if not self.comparable:
            return False, "the scores cannot be compared"
        difference = next((each for each in self.differences if each.metric.name == metric), None)
        if difference is None:
            return False, "not both revisions have it"
        if difference.gain.high < -tolerance:
            return True, "the whole interval of the difference is worse"
        if difference.gain.low >= -tolerance:
            return False, "the whole interval of the difference is no worse"
        return False, "the interval of the difference does not exclude that it is no worse"

    def _share(self, section: str, name: str | None = None) -> bool:
        """Whether both have the same parameter or section of parameters."""
        one, other = (each.params.get(section, {}) for each in (self.baseline, self.candidate))
        return bool(one == other if name is None else one.get(name) == other.get(name))

    def _difference(self, metric: Metric) -> Difference:
        a, b = metric.scores(self.baseline), metric.scores(self.candidate)
        pairing = statistics.choose_pairing(a, b) if self.matched else None
        change, error = statistics.bootstrap_difference(
            a,
            b,
            metric.statistic,
            paired=pairing is not None and pairing.paired,
            confidence_level=CONFIDENCE_LEVEL,
            n_samples=_N_SAMPLES,
            rng=generator(_SEED, Stream.BOOTSTRAP),
        )
        return Difference(
            metric,
            (float(metric.statistic(a)), float(metric.statistic(b))),
            change,
            pairing,
            statistics.probability_of_improvement(
                a, b, higher_is_better=metric.higher_is_better, confidence_level=CONFIDENCE_LEVEL
            ),
            n_seeds=(len(a), len(b)),
            seeds_needed=statistics.seeds_needed(
                change.value, error, len(a), len(b), confidence_level=CONFIDENCE_LEVEL
            ),
            equal=np.array_equal(a, b) if self.matched else np.array_equal(np.sort(a), np.sort(b)),
        )


def _count(n_seeds: tuple[int, int]) -> str:
    n, m = n_seeds
    return f"{n} and {m} seeds" if n != m else "1 seed" if n == 1 else f"{n} seeds"


def _value(metric: Metric, result: Result) -> Interval:
    """The metric with the interval that the evaluate stage writes into metrics.json."""
    settings: dict[str, Any] = result.params.get("evaluate", {})
    rng = generator(settings.get("seed", _SEED), Stream.BOOTSTRAP)
    n_samples = settings.get("n_bootstrap_samples", _N_SAMPLES)
    return statistics.bootstrap(metric.scores(result), metric.statistic, result.confidence_level, n_samples, rng)
