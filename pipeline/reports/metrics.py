"""Names, units and directions of the metrics that reports show."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddpg.evaluation.statistics import Interval, Scores, Statistic, interquartile_mean, median, with_worst
from pipeline.provenance.result import Result
from pipeline.reports.formats import show_interval, show_number

if TYPE_CHECKING:
    from ddpg.visualizations.learning_curves import Measure  # imports Matplotlib, which takes a second

MEASURES: "dict[Measure, str]" = {
    "validation_return": "Mean return over the validation episodes, by which the best policy is chosen",
    "test_return": "Return of the test episode, without noise, after each training episode",
    "training_return": "Return of the training episode, with exploration noise",
}
"""Captions of learning curves, by column of `results/train/episodes.csv`."""


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
        """The score of each seed, in their order; ±∞, the worst possible, for a seed without one."""
        return with_worst(result.seeds[self.name], higher_is_better=self.higher_is_better)

    def show(self, value: float | None) -> str:
        """A score; infinite ones in words."""
        if value is not None and math.isinf(value):
            return "diverged" if self.higher_is_better else "never"
        return show_number(value, self.digits)

    def show_interval(self, interval: Interval) -> str:
        """A score with its interval; all seeds that never solved the task are only "never"."""
        is_alone = math.isinf(interval.value) and interval.low == interval.high
        return self.show(interval.value) if is_alone else show_interval(*interval, self.show)

    def show_change(self, value: float | None) -> str:
        """A difference of scores, with its sign."""
        return show_number(value, self.digits, sign="+")


METRICS = (
    Metric("best_return", "best return", True, interquartile_mean, "interquartile mean", 2),
    Metric("final_return", "final return", True, interquartile_mean, "interquartile mean", 2),
    Metric("environment_steps_to_solve", "steps to solve", False, median, "median", 0),
    Metric("episodes_to_solve", "episodes to solve", False, median, "median", 0),
)
"""The first decides a comparison's verdict."""
