"""Charts of several results, as `data:` addresses of SVGs: the same results give the same bytes."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ddpg.evaluation.statistics import Interval, bootstrap, interquartile_mean, performance_profile
from ddpg.history import FloatArray, GridAxes, TrainingHistory
from ddpg.seeding import Stream, generator
from ddpg.visualizations.figure import new_figure, show_number, write_figure
from ddpg.visualizations.learning_curves import Measure, draw_group
from pipeline.provenance.result import CONFIDENCE_LEVEL, Result
from pipeline.reports.comparison import Difference
from pipeline.reports.metrics import METRICS
from pipeline.reports.page import data_uri

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Of the results in their order: the palette of Okabe and Ito, which colour-blind people can distinguish."""

POLICIES = ("best", "final")
_N_SAMPLES = 2000
_PERCENTILES = (1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2
_Q_MAP, _POLICY_MAP, _DIFFERENCE_MAP = "viridis", "RdBu", "PuOr"


def colour_of(index: int) -> str:
    """The colour of the result with this index."""
    return COLOURS[index % len(COLOURS)]


def draw_learning_curves(results: Sequence[Result], measure: Measure) -> str:
    """Each result's interquartile mean over seeds by episode with its interval as a band, and its seeds faintly behind.

    Args:
        results: All of them have values of the measure.
        measure: A column of `results/train/episodes.csv`.
    """
    figure = new_figure(8, 4)
    axes = figure.add_subplot()
    for i, result in enumerate(results):
        rng = generator(0, Stream.BOOTSTRAP)
        draw_group(axes, result.training, measure, CONFIDENCE_LEVEL, _N_SAMPLES, rng, colour=colour_of(i))
    _draw_threshold(axes, results[0], horizontal=True)
    axes.set_xlabel("training episode")
    axes.set_ylabel(measure.replace("_", " "))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    _add_legend(figure, results)
    return _address(figure, axes)


def draw_score_distributions(results: Sequence[Result]) -> str:
    """Returns of seeds (dots) and of their evaluation episodes (ticks), and the interquartile mean over seeds."""
    figure = new_figure(6, 0.8 + 0.62 * len(POLICIES) * len(results))
    axes = figure.add_subplot()
    rows = [(policy, i) for policy in POLICIES for i in range(len(results))]
    for y, (policy, i) in enumerate(rows):
        episodes = results[i].evaluation.loc[lambda table, policy=policy: table["policy"] == policy, "return"]
        seeds = results[i].seeds[f"{policy}_return"].dropna()
        axes.plot(episodes, np.full(len(episodes), y), "|", color=colour_of(i), alpha=0.15, markersize=13)
        axes.plot(seeds, np.full(len(seeds), y), "o", color=colour_of(i), alpha=0.75, markersize=6, mec="white")
        if len(seeds):
            rng = generator(0, Stream.BOOTSTRAP)
            interval = bootstrap(seeds.to_numpy(), interquartile_mean, CONFIDENCE_LEVEL, _N_SAMPLES, rng)
            _draw_interval(axes, interval, y - 0.33, colour_of(i))
    axes.set_yticks(range(len(rows)), [f"{_plain(results[i].name)}, {policy}" for policy, i in rows])
    axes.set_ylim(len(rows) - 0.4, -0.75)
    axes.set_xlabel("return")
    _draw_threshold(axes, results[0], horizontal=False)
    return _address(figure, axes)


def draw_performance_profile(results: Sequence[Result]) -> str:
    """The share of seeds whose best policy returns more than each threshold, with its bootstrap band."""
    figure = new_figure(6, 3.6)
    axes = figure.add_subplot()
    scores = [METRICS[0].scores(result) for result in results]
    finite = [score for score in np.concatenate(scores) if np.isfinite(score)] or [0.0]
    margin = 0.08 * float(np.ptp(finite)) or 1.0
    thresholds = np.linspace(min(finite) - margin, max(finite) + margin, 400)
    for i, each in enumerate(scores):
        drawn = generator(0, Stream.BOOTSTRAP).integers(len(each), size=(_N_SAMPLES, len(each)))
        low_share, high_share = np.quantile(performance_profile(each[drawn], thresholds), _PERCENTILES, axis=0)
        axes.fill_between(thresholds, low_share, high_share, color=colour_of(i), alpha=0.18, linewidth=0, step="mid")
        axes.plot(thresholds, performance_profile(each, thresholds), color=colour_of(i), drawstyle="steps-mid")
    axes.set_xlim(thresholds[0], thresholds[-1])
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("return τ of the best policy")
    axes.set_ylabel("share of seeds above τ")
    _add_legend(figure, results)
    return _address(figure, axes)


def draw_intervals(values: Sequence[tuple[Interval, int]], difference: Difference | None) -> str:
    """The values of a metric and their difference, with their intervals.

    Args:
        values: Each with the index of its result.
        difference: Drawn beside them, if there is one with anything finite.
    """
    figure = new_figure(4.2, 0.75)
    left, right = figure.subplots(1, 2)
    for y, (value, i) in enumerate(values):
        _draw_interval(left, value, y, colour_of(i))
    left.set_visible(any(_is_drawn(value) for value, _ in values))
    right.set_visible(difference is not None and _is_drawn(difference.change))
    if difference is not None:
        _draw_interval(right, difference.change, 0.5, "0.25")
        right.axvline(0, color="0.6", linewidth=0.8, linestyle=":")
    for axes in (left, right):
        axes.set_ylim(1.8, -0.8)
        axes.set_yticks([])
        axes.margins(x=0.08)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.tick_params(labelsize=8, length=3, color="0.6", labelcolor="0.35")
        axes.spines["left"].set_visible(False)
        axes.spines["bottom"].set_color("0.8")
    return _address(figure, left, right)


def draw_maps(baseline: Result, candidate: Result) -> str | None:
    """Greatest Q and policy of both median seeds after training, and their differences.

    Returns:
        `None` if one has no snapshots, or if their planes of states differ.
    """
    a, b = baseline.history, candidate.history
    if not a or not b or not a.snapshots or not b.snapshots or not a.grid or not b.grid or not _equal(a.grid, b.grid):
        return None
    grid, action = a.grid, a.grid.action_dimension
    action_limits = float(a.action_low[action]), float(a.action_high[action])
    q_maps = [history.snapshots[-1].q_max for history in (a, b)]
    q_limits = float(np.min(q_maps)), float(np.max(q_maps))
    figure = new_figure(9, 5.2)
    panels = figure.subplots(2, 3, sharex=True, sharey=True)
    titles = [*(f"{_plain(each.name)}, seed {each.median_seed}" for each in (baseline, candidate)), "difference"]
    for row, name, colours, (first, second), limits in (
        (panels[0], "greatest Q", _Q_MAP, q_maps, q_limits),
        (panels[1], a.action_names[action], _POLICY_MAP, [_policy(a, action), _policy(b, action)], action_limits),
    ):
        most = float(np.abs(second - first).max()) or 1.0
        _draw_map(figure, row[0], grid, first, name, colours, limits)
        _draw_map(figure, row[1], grid, second, name, colours, limits)
        _draw_map(figure, row[2], grid, second - first, name, _DIFFERENCE_MAP, (-most, most))
        for axes, title in zip(row, titles, strict=True):
            axes.set_title(title, fontsize=10)
        if len(grid.y) > 1:
            row[0].set_ylabel(a.observation_names[grid.y_dimension])
    for axes in panels[1]:
        axes.set_xlabel(a.observation_names[grid.x_dimension])
    return _address(figure)


def _draw_map(
    figure: Figure, axes: Axes, grid: GridAxes, values: FloatArray, name: str, colours: str, limits: tuple[float, float]
) -> None:
    extent, (low, high) = (*_edges(grid.x), *_edges(grid.y)), limits
    image: Any = axes.imshow(values, colours, origin="lower", extent=extent, aspect="auto", vmin=low, vmax=high)
    figure.colorbar(image, ax=axes, label=name)


def _edges(centres: FloatArray) -> tuple[float, float]:
    """Outer edges of cells with these centres."""
    half = float(centres[1] - centres[0]) / 2 if len(centres) > 1 else 0.5
    return float(centres[0]) - half, float(centres[-1]) + half


def _equal(a: GridAxes, b: GridAxes) -> bool:
    """Whether two grids are of the same states; histories of earlier versions do not know their reference state."""
    pairs = zip(vars(a).values(), vars(b).values(), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs if np.size(one) and np.size(other))


def _policy(history: TrainingHistory, action: int) -> FloatArray:
    """One dimension of the actions after training, in the environment's unit; shape (n_y, n_x)."""
    low, high = history.action_low[action], history.action_high[action]
    policy: FloatArray = low + (history.snapshots[-1].policy[..., action] + 1) / 2 * (high - low)
    return policy


def _draw_interval(axes: Axes, interval: Interval, y: float, colour: str) -> None:
    """Draws a value with its interval; an arrow to the edge of the axes where that is unbounded."""
    if not _is_drawn(interval):
        return
    finite = [number for number in interval if np.isfinite(number)]
    ends = min(finite), max(finite)
    axes.plot(ends, [y, y], color=colour, linewidth=2, solid_capstyle="round")
    style = {"arrowstyle": "->", "color": colour, "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
    for edge, bound in enumerate((interval.low, interval.high)):
        if np.isinf(bound):
            axes.annotate("", (edge, y), (ends[edge], y), axes.get_yaxis_transform(), "data", style)
    axes.plot([interval.value], [y], marker="D", color=colour, markersize=5, markeredgecolor="white")


def _is_drawn(interval: Interval) -> bool:
    return any(map(np.isfinite, interval))


def _draw_threshold(axes: Axes, result: Result, *, horizontal: bool) -> None:
    threshold = result.reward_threshold
    if threshold is not None:
        draw = axes.axhline if horizontal else axes.axvline
        draw(threshold, color="0.35", linestyle="--", linewidth=1, label=f"solved ({show_number(threshold)})")


def _add_legend(figure: Figure, results: Sequence[Result]) -> None:
    """Names the results and the threshold, instead of all that was drawn."""
    axes = figure.axes[0]
    solved = [line for line in axes.lines if str(line.get_label()).startswith("solved")]
    handles = [
        Line2D([], [], color=colour_of(i), linewidth=2.2, label=_plain(each.name)) for i, each in enumerate(results)
    ]
    figure.legend(handles=[*handles, *solved], loc="outside lower center", ncols=4, frameon=False)


def _plain(name: str) -> str:
    """A name that Matplotlib shows: it takes dollars for formulas, and omits labels that begin with an underscore."""
    return name.replace("$", r"\$").lstrip("_")


def _address(figure: Figure, *axes: Axes) -> str:
    for each in axes:
        each.grid(color="0.92")
        each.set_axisbelow(True)
        each.spines[["top", "right"]].set_visible(False)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "chart.svg"
        write_figure(figure, file)
        return data_uri(file)
