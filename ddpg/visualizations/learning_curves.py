"""Learning curves over seeds."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ddpg.evaluation.statistics import bootstrap, interquartile_mean
from ddpg.visualizations.figure import TEST_COLOUR, draw_threshold, new_figure, write_figure

if TYPE_CHECKING:
    import pandas as pd

Measure = Literal["training_return", "test_return", "validation_return"]

_CONFIDENCE_LEVEL = 0.95
_N_BOOTSTRAP_SAMPLES = 2000


def draw_learning_curves(
    episodes: "pd.DataFrame",
    path: Path,
    reward_threshold: float | None = None,
    measure: Measure = "test_return",
    *,
    rng: np.random.Generator | None = None,
) -> None:
    """Write a PNG or SVG of returns by episode, with a line where the environment is solved; see `draw_group`.

    Args:
        episodes: A row for each seed and episode, with columns `seed`, `episode`, `is_best` and the measure. Where a
            seed has no row, or NaN, its latest value before counts in the mean: the policy is as good as it was last
            seen. The mean begins when every seed has a value.
        path: Ends in `.png` or `.svg`.
        reward_threshold: Return from which the environment counts as solved.
        measure: The column drawn; at least one of its values is not NaN.
        rng: Source of the bootstrap samples; `None`: a generator with seed 0.

    Raises:
        ValueError: The path has another suffix.
    """
    figure = new_figure(9, 5)
    axes = figure.add_subplot()
    draw_group(axes, episodes, measure, _CONFIDENCE_LEVEL, _N_BOOTSTRAP_SAMPLES, rng or np.random.default_rng(0))
    if reward_threshold is not None:
        draw_threshold(axes, reward_threshold)
    axes.set_xlabel("training episode", fontsize=12)
    axes.set_ylabel(measure.replace("_", " "), fontsize=12)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=11)
    write_figure(figure, path)


def draw_group(
    axes: Axes,
    episodes: "pd.DataFrame",
    measure: Measure,
    confidence_level: float,
    n_bootstrap_samples: int,
    rng: np.random.Generator,
    *,
    colour: str = TEST_COLOUR,
) -> None:
    """Draw a group of seeds: faint curves with a star at each best policy, and their interquartile mean.

    The mean begins at the first episode by which every seed has had a value: it would jump where another seed joins.
    It has a band, its interval clipped to the range of the returns; a single seed has neither. See
    `ddpg.evaluation.statistics`.

    Args:
        axes: The axes to draw on.
        episodes: As for `draw_learning_curves`.
        measure: The column drawn.
        confidence_level: Of the band, such as 0.95.
        n_bootstrap_samples: Resamples of the seeds behind the band.
        rng: Source of the resamples.
        colour: Of everything drawn.
    """
    drawn = episodes.dropna(subset=[measure])
    returns = drawn.pivot(index="episode", columns="seed", values=measure).astype(float)
    alone = returns.shape[1] == 1
    width, opacity = (2.2, 1.0) if alone else (0.9, 0.4)
    for i, seed in enumerate(returns):
        curve = returns[seed].dropna()
        text = (f"seed {seed}" if alone else "one seed") if i == 0 else None
        axes.plot(curve.index, curve, color=colour, linewidth=width, alpha=opacity, label=text)
    if not alone:
        carried = returns.ffill()
        begun = carried[carried.notna().all(axis="columns")]
        intervals = [
            bootstrap(row.to_numpy(), interquartile_mean, confidence_level, n_bootstrap_samples, rng)
            for _, row in begun.iterrows()
        ]
        means, lows, highs = np.transpose(intervals)
        lows, highs = (np.clip(ends, drawn[measure].min(), drawn[measure].max()) for ends in (lows, highs))
        text = f"{100 * confidence_level:g} % interval"
        axes.fill_between(begun.index, lows, highs, color=colour, alpha=0.25, linewidth=0, label=text)
        text = f"interquartile mean of {returns.shape[1]} seeds"
        axes.plot(begun.index, means, color=colour, linewidth=2.2, label=text)
    best = drawn[drawn["is_best"].astype(bool)].groupby("seed").tail(1)
    if not best.empty:
        axes.plot(
            best["episode"],
            best[measure],
            color=colour,
            linestyle="",
            marker="*",
            markersize=11,
            markeredgecolor="white",
            markeredgewidth=0.6,
            label="best policy",
            zorder=3,
        )
