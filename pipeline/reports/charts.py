"""Pictures of several results in one, as addresses that hold an SVG: the same results give the same bytes."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ddpg.evaluation.statistics import Interval, Scores, bootstrap, interquartile_mean, performance_profile
from ddpg.history import FloatArray, GridAxes, Snapshot, TrainingHistory
from ddpg.seeding import Stream, generator
from ddpg.visualizations.figure import new_figure, show_number, write_figure
from ddpg.visualizations.learning_curves import Measure, draw_group
from pipeline.provenance.result import CONFIDENCE_LEVEL, Result
from pipeline.reports import data_uri
from pipeline.reports.comparison import METRICS, Difference

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Of the results in their order (Okabe and Ito's, which colour-blind people can tell apart)."""

POLICIES = ("best", "final")
_N_SAMPLES = 2000
_PERCENTILES = (1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2
_Q_MAP, _POLICY_MAP, _DIFFERENCE_MAP = "viridis", "RdBu", "PuOr"


def colour_of(index: int) -> str:
    """The colour of a result, by its place."""
    return COLOURS[index % len(COLOURS)]


def draw_learning_curves(results: Sequence[Result], measure: Measure) -> str:
    """Each result's interquartile mean over seeds by episode with its bootstrap band, and its seeds faintly behind.

    Args:
        results: With numbers in the measure.
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
        _draw_interval(axes, _interquartile_mean(seeds.to_numpy()), y - 0.33, colour_of(i))
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
    finite = np.concatenate(scores)
    finite = finite[np.isfinite(finite)]
    margin = 0.08 * float(np.ptp(finite)) or 1.0 if finite.size else 1.0
    low, high = (finite.min() - margin, finite.max() + margin) if finite.size else (0.0, 1.0)
    thresholds = np.linspace(low, high, 400)
    for i, each in enumerate(scores):
        drawn = generator(0, Stream.BOOTSTRAP).integers(len(each), size=(_N_SAMPLES, len(each)))
        low_share, high_share = np.quantile(performance_profile(each[drawn], thresholds), _PERCENTILES, axis=0)
        axes.fill_between(thresholds, low_share, high_share, color=colour_of(i), alpha=0.18, linewidth=0, step="mid")
        axes.plot(thresholds, performance_profile(each, thresholds), color=colour_of(i), drawstyle="steps-mid")
    axes.set_xlim(low, high)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("return τ of the best policy")
    axes.set_ylabel("share of seeds above τ")
    _add_legend(figure, results)
    return _address(figure, axes)


def draw_intervals(values: Sequence[tuple[Interval, int]], difference: Difference | None) -> str:
    """The values of a metric with their intervals, and beside them the difference with its own.

    Args:
        values: Each with the place of its result.
        difference: `None`: only values are drawn.
    """
    figure = new_figure(4.2, 0.75)
    left, right = figure.subplots(1, 2)
    for y, (value, i) in enumerate(values):
        _draw_interval(left, value, y, colour_of(i))
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
    right.set_visible(difference is not None)
    return _address(figure, left, right)


def draw_maps(baseline: Result, candidate: Result) -> str | None:
    """Greatest Q and policy of both median seeds after training, and their differences.

    Returns:
        `None` where one has no snapshots, or where their planes of states differ.
    """
    histories = [result.history for result in (baseline, candidate)]
    if any(history is None or not history.snapshots for history in histories):
        return None
    a, b = (history for history in histories if history is not None)
    if a.grid is None or b.grid is None or not _same_plane(a.grid, b.grid):
        return None
    figure = new_figure(9, 5.2)
    panels = figure.subplots(2, 3, sharex=True, sharey=True)
    names = [f"{_plain(each.name)}, seed {each.median_seed}" for each in (baseline, candidate)]
    fields = (
        ("greatest Q", _Q_MAP, [each.snapshots[-1].q_max for each in (a, b)], None),
        (_action_name(a), _POLICY_MAP, [_policy(each, each.snapshots[-1]) for each in (a, b)], _action_limits(a)),
    )
    for row, (name, colours, (first, second), limits) in zip(panels, fields, strict=True):
        low, high = limits or (min(first.min(), second.min()), max(first.max(), second.max()))
        for axes, values, title in zip(row, (first, second), names, strict=False):
            _draw_map(figure, axes, a.grid, values, name, colours, (low, high))
            axes.set_title(title, fontsize=10)
        most = float(np.abs(second - first).max()) or 1.0
        _draw_map(figure, row[2], a.grid, second - first, name, _DIFFERENCE_MAP, (-most, most))
        row[2].set_title("difference", fontsize=10)
    for axes in panels[1]:
        axes.set_xlabel(a.observation_names[a.grid.x_dimension])
    if len(a.grid.y) > 1:
        for axes in panels[:, 0]:
            axes.set_ylabel(a.observation_names[a.grid.y_dimension])
    return _address(figure)


def _draw_map(
    figure: Figure, axes: Axes, grid: GridAxes, values: FloatArray, name: str, colours: str, limits: tuple[float, float]
) -> None:
    (left, right), (bottom, top) = (_edges(grid.x), _edges(grid.y))
    low, high = limits
    image: Any = axes.imshow(
        values, colours, origin="lower", extent=(left, right, bottom, top), aspect="auto", vmin=low, vmax=high
    )
    figure.colorbar(image, ax=axes, label=name)


def _edges(centres: FloatArray) -> tuple[float, float]:
    """Outer edges of cells around these centres."""
    if len(centres) == 1:
        return float(centres[0]) - 0.5, float(centres[0]) + 0.5
    half = float(centres[1] - centres[0]) / 2
    return float(centres[0]) - half, float(centres[-1]) + half


def _same_plane(a: GridAxes, b: GridAxes) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(vars(a).values(), vars(b).values(), strict=True))


def _policy(history: TrainingHistory, snapshot: Snapshot) -> FloatArray:
    """The action shown, in the environment's unit; shape (n_y, n_x)."""
    low, high = _action_limits(history)
    policy: FloatArray = low + (snapshot.policy[..., _action(history)] + 1) / 2 * (high - low)
    return policy


def _action_limits(history: TrainingHistory) -> tuple[float, float]:
    return float(history.action_low[_action(history)]), float(history.action_high[_action(history)])


def _action_name(history: TrainingHistory) -> str:
    return history.action_names[_action(history)]


def _action(history: TrainingHistory) -> int:
    return history.grid.action_dimension if history.grid else 0


def _interquartile_mean(scores: Scores) -> Interval:
    if not len(scores):
        return Interval(np.nan, np.nan, np.nan)
    return bootstrap(scores, interquartile_mean, CONFIDENCE_LEVEL, _N_SAMPLES, generator(0, Stream.BOOTSTRAP))


def _draw_interval(axes: Axes, interval: Interval, y: float, colour: str) -> None:
    value, low, high = (number if np.isfinite(number) else np.nan for number in interval)
    axes.plot([low, high], [y, y], color=colour, linewidth=2, solid_capstyle="round")
    axes.plot([value], [y], marker="D", color=colour, markersize=5, markeredgecolor="white")


def _draw_threshold(axes: Axes, result: Result, *, horizontal: bool) -> None:
    threshold = result.history.reward_threshold if result.history else None
    if threshold is not None:
        draw = axes.axhline if horizontal else axes.axvline
        draw(threshold, color="0.35", linestyle="--", linewidth=1, label=f"solved ({show_number(threshold)})")


def _add_legend(figure: Figure, results: Sequence[Result]) -> None:
    """A line of each result's colour, in place of whatever was named while drawing."""
    handles = [
        axes.plot([], [], color=colour_of(i), linewidth=2.2, label=_plain(result.name))[0]
        for axes in figure.axes[:1]
        for i, result in enumerate(results)
    ]
    lines = [line for line in figure.axes[0].lines if str(line.get_label()).startswith("solved")]
    figure.legend(handles=[*handles, *lines], loc="outside lower center", ncols=4, frameon=False)


def _plain(name: str) -> str:
    """A name as Matplotlib shows it: dollars would begin a formula, and what begins with an underscore is left out."""
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
