"""Learning curves over seeds."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ddpg.evaluation.statistics import bootstrap, interquartile_mean
from ddpg.visualizations.figure import new_figure, require_figure_suffix, write_figure
from ddpg.visualizations.panels import TEST_COLOUR, show_number

if TYPE_CHECKING:
    import pandas as pd

Measure = Literal["training_return", "test_return", "validation_return"]


def draw_learning_curves(
    episodes: "pd.DataFrame",
    path: Path,
    reward_threshold: float | None = None,
    measure: Measure = "test_return",
    *,
    confidence_level: float = 0.95,
    n_bootstrap_samples: int = 2000,
    rng: np.random.Generator | None = None,
) -> None:
    """Writes a PNG or SVG of returns by episode, with a line where the environment is solved; see `draw_group`.

    Args:
        episodes: A row for each seed and episode, with columns `seed`, `episode`, `is_best` and the measure. Rows
            without a number are left out; so the mean is over the seeds that have one.
        path: Ends in `.png` or `.svg`.
        reward_threshold: Return from which the environment counts as solved.
        measure: The column drawn.
        confidence_level: Of the band, such as 0.95.
        n_bootstrap_samples: Resamples of the seeds behind the band.
        rng: Source of the resamples; `None`: one of seed 0.

    Raises:
        ValueError: A column is missing, none of its values is a number, or the path has another suffix.
    """
    require_figure_suffix(path)
    missing = {"seed", "episode", "is_best", measure} - set(episodes.columns)
    if missing:
        raise ValueError(f"episodes: expected the columns {sorted(missing)} too, received {list(episodes.columns)}")
    if episodes[measure].isna().all():
        raise ValueError(f"episodes: expected numbers in {measure}, received none")
    figure = new_figure(9, 5)
    axes = figure.add_subplot()
    draw_group(axes, episodes, measure, confidence_level, n_bootstrap_samples, rng or np.random.default_rng(0))
    _finish(figure, axes, reward_threshold, measure)
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
    name: str = "",
) -> None:
    """Draws seeds that belong together: each faintly, with a star at its best checkpoint, and what they have in common.

    That is their interquartile mean at each episode, with a band of its bootstrap interval, as far as any return
    reaches; one seed is drawn alone. See `ddpg.evaluation.statistics`.

    Args:
        axes: Where to.
        episodes: As for `draw_learning_curves`, as are the next arguments.
        measure: The column drawn.
        confidence_level: Of the band.
        n_bootstrap_samples: Resamples of the seeds behind the band.
        rng: Source of the resamples.
        colour: Of all that is drawn.
        name: Of the group, in the legend.
    """
    label = f"{name}: {{}}" if name else "{}"
    drawn = episodes.dropna(subset=[measure])
    returns = drawn.pivot(index="episode", columns="seed", values=measure).astype(float)
    alone = returns.shape[1] == 1
    width, opacity = (2.2, 1.0) if alone else (0.9, 0.4)
    for i, seed in enumerate(returns):
        curve = returns[seed].dropna()
        text = label.format(f"seed {seed}" if alone else "one seed") if i == 0 else None
        axes.plot(curve.index, curve, color=colour, linewidth=width, alpha=opacity, label=text)
    if not alone:
        intervals = [
            bootstrap(row.dropna().to_numpy(), interquartile_mean, confidence_level, n_bootstrap_samples, rng)
            for _, row in returns.iterrows()
        ]
        means, lows, highs = np.transpose(intervals)
        lows, highs = (np.clip(ends, drawn[measure].min(), drawn[measure].max()) for ends in (lows, highs))
        text = label.format(f"{100 * confidence_level:g} % bootstrap interval")
        axes.fill_between(returns.index, lows, highs, color=colour, alpha=0.25, linewidth=0, label=text)
        text = label.format(f"interquartile mean of {returns.shape[1]} seeds")
        axes.plot(returns.index, means, color=colour, linewidth=2.2, label=text)
    best = drawn[drawn["is_best"].astype(bool)].groupby("seed").tail(1)
    if not best.empty:
        text = label.format("best checkpoint")
        axes.plot(
            best["episode"],
            best[measure],
            color=colour,
            linestyle="",
            marker="*",
            markersize=11,
            markeredgecolor="white",
            markeredgewidth=0.6,
            label=text,
            zorder=3,
        )


def _finish(figure: Figure, axes: Axes, reward_threshold: float | None, measure: Measure) -> None:
    """Adds what all groups share: the solved line, axes and legend."""
    if reward_threshold is not None:
        label = f"solved ({show_number(reward_threshold)})"
        axes.axhline(reward_threshold, color="0.35", linestyle="--", linewidth=1.2, label=label)
    axes.set_xlabel("training episode", fontsize=12)
    axes.set_ylabel(measure.replace("_", " "), fontsize=12)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=11)
