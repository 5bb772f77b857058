"""How often do the intervals miss the truth, and how many false alarms do comparisons of few seeds raise?

Made-up scores of 3 to 20 seeds, normal and skewed (exponential), and pairs of them that correlate: what is true of them
is known. Nominally 5 % of 95 % intervals miss. Nothing here depends on the machine.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from scipy import special

import common
from ddpg.evaluation.statistics import (
    Scores,
    Statistic,
    bootstrap,
    bootstrap_difference,
    choose_pairing,
    interquartile_mean,
    median,
    probability_of_improvement,
)

PACKAGES = ("numpy", "scipy")
SEEDS = (3, 5, 10, 20)
CORRELATIONS = (-0.3, 0.0, 0.3, 0.6, 0.9)
LEVEL = 0.95
EFFECT = 2.8
"""Of what comparisons have to detect, in standard errors of a difference of means of unpaired scores."""


def _mean(scores: Scores) -> Scores:
    return np.asarray(scores.mean(axis=-1))


STATISTICS: Mapping[str, Statistic] = {
    "mean": _mean,
    "interquartile mean": interquartile_mean,
    "median": median,
}
SHAPES: Mapping[str, Callable[[Scores], Scores]] = {
    "normal": lambda normal: normal,
    "exponential": lambda normal: -special.log_ndtr(-normal),
}
"""Turn normal scores into those of another distribution with a standard deviation of 1."""
TRUTH = {
    ("mean", "normal"): 0.0,
    ("mean", "exponential"): 1.0,
    ("interquartile mean", "normal"): 0.0,
    # Twice the integral of the quantiles −ln(1 − u) from a quarter to three quarters.
    ("interquartile mean", "exponential"): 1 + 0.5 * np.log(0.25) - 1.5 * np.log(0.75),
    ("median", "normal"): 0.0,
    ("median", "exponential"): np.log(2),
}
IMPROVEMENT = {"normal": float(special.ndtr(1 / np.sqrt(2))), "exponential": 1 - np.exp(-1) / 2}
"""The probability that the better of two scores, greater by 1, is the greater one."""
PAIRINGS: Mapping[str, Callable[[Scores, Scores], bool]] = {
    "never": lambda *_: False,
    "always": lambda *_: True,
    "chosen": lambda *scores: choose_pairing(*scores).paired,
}


def pairs(shape: str, n: int, correlation: float, n_trials: int, rng: np.random.Generator) -> Iterator[Scores]:
    """Scores of two equal results, shape (2, n), whose normal scores have this correlation."""
    for a, own in rng.normal(size=(n_trials, 2, n)):
        yield SHAPES[shape](np.stack([a, correlation * a + np.sqrt(1 - correlation**2) * own]))


def value_misses(statistic: str, shape: str, n: int, n_trials: int, n_samples: int) -> float:
    """The share of intervals of one result that do not hold the statistic of infinitely many seeds."""
    rng, truth = np.random.default_rng(n), TRUTH[statistic, shape]
    scores = SHAPES[shape](rng.normal(size=(n_trials, n)))
    intervals = (bootstrap(each, STATISTICS[statistic], LEVEL, n_samples, rng) for each in scores)
    return float(np.mean([not low <= truth <= high for _, low, high in intervals]))


def differences_found(
    pairing: str, shape: str, n: int, correlation: float, effect: float, n_trials: int, n_samples: int
) -> float:
    """The share of comparisons of interquartile means that find a difference; false alarms if the effect is 0."""
    rng = np.random.default_rng(n)
    shift = [[0.0], [effect * np.sqrt(2 / n)]]
    found = 0
    for scores in pairs(shape, n, correlation, n_trials, rng):
        a, b = scores + shift
        settings: dict[str, Any] = {"confidence_level": LEVEL, "n_samples": n_samples, "rng": rng}
        paired = PAIRINGS[pairing](a, b)
        (_, low, high), _ = bootstrap_difference(a, b, interquartile_mean, paired=paired, **settings)
        found += not low <= 0 <= high
    return found / n_trials


def improvement_misses(shape: str, n: int, correlation: float, shift: int, n_trials: int) -> float:
    """The share of intervals of the probability of improvement that do not hold it, if scores differ by 0 or 1."""
    truth = IMPROVEMENT[shape] if shift else 0.5
    missed = 0
    for a, b in pairs(shape, n, correlation, n_trials, np.random.default_rng(n)):
        _, low, high = probability_of_improvement(a, b + shift, higher_is_better=True, confidence_level=LEVEL)
        missed += not low <= truth <= high
    return missed / n_trials


def measure(n_trials: int, n_samples: int) -> dict[str, Any]:
    """All shares: lists over `SEEDS`, by case."""
    runs = {"n_trials": n_trials, "n_samples": n_samples}
    return {
        **runs,
        "n_seeds": SEEDS,
        "value misses": {
            f"{statistic}, {shape}": [value_misses(statistic, shape, n, **runs) for n in SEEDS]
            for statistic, shape in product(STATISTICS, SHAPES)
        },
        **{
            name: {
                f"{shape}, correlation {correlation:g}, {pairing} paired": [
                    differences_found(pairing, shape, n, correlation, effect, **runs) for n in SEEDS
                ]
                for shape, correlation, pairing in product(SHAPES, CORRELATIONS, PAIRINGS)
            }
            for name, effect in (("false alarms", 0.0), ("power", EFFECT))
        },
        "improvement misses": {
            f"{shape}, correlation {correlation:g}, {better}": [
                improvement_misses(shape, n, correlation, shift, n_trials) for n in SEEDS
            ]
            for shape, correlation, (shift, better) in product(
                SHAPES, CORRELATIONS, enumerate(("equal", "better by one standard deviation"))
            )
        },
    }


def main() -> None:
    """Simulates all cases and prints the shares in percent."""
    if common.answer(measure):
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=4000, help="of each case (4000)")
    parser.add_argument("--samples", type=int, default=500, help="resamples of each interval (500)")
    arguments = parser.parse_args()
    results = common.measure(__file__, arguments.trials, arguments.samples)
    seeds = [f"{n} seeds" for n in SEEDS]
    print("\n## Calibration\n\nIntervals of one result that miss, in percent:\n")
    common.table(["", *seeds], [[case, *_percents(shares)] for case, shares in results["value misses"].items()])
    print("\nComparisons that find a difference, in percent, never / always / chosen paired:\n")
    header = [f"{what}, {n}" for what in ("equals", "effect") for n in SEEDS]
    rows = []
    for shape, correlation in product(SHAPES, CORRELATIONS):
        case = f"{shape}, correlation {correlation:g}"
        by_pairing = [
            [results[name][f"{case}, {pairing} paired"] for pairing in PAIRINGS] for name in ("false alarms", "power")
        ]
        rows.append(
            [case, *(" / ".join(_percents(each)) for shares in by_pairing for each in zip(*shares, strict=True))]
        )
    common.table(["", *header], rows)
    print("\nIntervals of the probability of improvement that miss, in percent:\n")
    common.table(["", *seeds], [[case, *_percents(shares)] for case, shares in results["improvement misses"].items()])
    common.write(__file__, PACKAGES, results)


def _percents(shares: Sequence[float]) -> list[str]:
    return [f"{100 * share:.1f}" if share < 0.1 else f"{100 * share:.0f}" for share in shares]


if __name__ == "__main__":
    main()
