"""Learning curves over seeds."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ddpg.visualizations.panels import TEST_COLOUR, show_number
from ddpg.visualizations.video import replacing

if TYPE_CHECKING:
    import pandas as pd

Measure = Literal["training_return", "test_return", "validation_return"]


def draw_learning_curves(
    episodes: "pd.DataFrame",
    path: Path,
    reward_threshold: float | None = None,
    measure: Measure = "test_return",
) -> None:
    """Writes a PNG of returns by episode: every seed, their median, and the band between their quartiles.

    Args:
        episodes: A row for each seed and episode, with columns `seed`, `episode` and the measure. Rows without a
            number are left out; so the median is over the seeds that have one.
        path: Ends in `.png`.
        reward_threshold: Return from which the environment counts as solved.
        measure: The column drawn.

    Raises:
        ValueError: A column is missing, none of its values is a number, or the path has another suffix.
    """
    if path.suffix != ".png":
        raise ValueError(f"{path}: expected the suffix .png, received {path.suffix!r}")
    missing = {"seed", "episode", measure} - set(episodes.columns)
    if missing:
        raise ValueError(f"episodes: expected the columns {sorted(missing)} too, received {list(episodes.columns)}")
    returns = episodes.pivot(index="episode", columns="seed", values=measure).astype(float).dropna(how="all")
    if returns.empty:
        raise ValueError(f"episodes: expected numbers in {measure}, received none")
    with replacing(path) as temporary:
        # Without the version of Matplotlib, the same curves are the same bytes.
        _draw(returns, reward_threshold, measure).savefig(temporary, format="png", metadata={"Software": None})


def _draw(returns: "pd.DataFrame", reward_threshold: float | None, measure: str) -> Figure:
    """The curves of a frame with a row for each episode and a column for each seed."""
    figure = Figure(figsize=(9, 5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    seeds = "1 seed" if returns.shape[1] == 1 else f"{returns.shape[1]} seeds"
    for i, seed in enumerate(returns):
        curve = returns[seed].dropna()
        label = "one seed" if i == 0 else None
        axes.plot(curve.index, curve, color="0.72", linewidth=0.9, marker=".", markersize=3, label=label)
    low, median, high = (returns.quantile(share, axis=1) for share in (0.25, 0.5, 0.75))
    axes.fill_between(
        returns.index, low, high, color=TEST_COLOUR, alpha=0.25, linewidth=0, label="between the quartiles"
    )
    axes.plot(returns.index, median, color=TEST_COLOUR, linewidth=2.2, marker=".", label=f"median of {seeds}")
    if reward_threshold is not None:
        label = f"solved ({show_number(reward_threshold)})"
        axes.axhline(reward_threshold, color="0.35", linestyle="--", linewidth=1.2, label=label)
    axes.set_xlabel("training episode", fontsize=12)
    axes.set_ylabel(measure.replace("_", " "), fontsize=12)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=11)
    return figure
