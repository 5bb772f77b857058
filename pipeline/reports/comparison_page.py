"""The comparison as a web page."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ddpg.visualizations.learning_curves import Measure
from pipeline.provenance.result import Result
from pipeline.reports import charts, data_uri, render
from pipeline.reports.comparison import METRICS, Comparison, Metric, describe
from pipeline.reports.text import how_compared, show_change, show_interval, show_share

MOST_EMBEDDED = 30_000_000
"""Bytes of videos in the page; more lie beside it."""

_CURVES: dict[Measure, str] = {
    "validation_return": "Mean return over the validation episodes, by which the best policy is chosen",
    "test_return": "Return of the test episode, without noise, after each training episode",
    "training_return": "Return of the training episode, with exploration noise",
}


def page_of(results: Sequence[Result], comparisons: Sequence[Comparison], videos: Path) -> str:
    """The page.

    Args:
        results: The baseline, then the others.
        comparisons: Of each other result with the baseline.
        videos: A folder beside the page, made where there are too many videos for the page itself.
    """
    films = [film for name in ("training", "rollout") for result in results if (film := result.film(name))]
    embedded = sum(film.stat().st_size for film in films) * 4 / 3 <= MOST_EMBEDDED
    return render(
        "compare.html",
        title=" and ".join(result.name for result in results[1:]) + f" against {results[0].name}",
        embedded=embedded,
        results=[
            {"name": result.name, "origin": result.origin, "colour": charts.colour_of(i)}
            for i, result in enumerate(results)
        ],
        comparisons=[_section(comparison, i) for i, comparison in enumerate(comparisons, start=1)],
        curves=list(_curves(results)),
        distributions=[
            (
                charts.draw_score_distributions(results),
                "Returns of seeds (dots) and of their evaluation episodes (ticks), best and final policies; diamonds: "
                "the interquartile mean over seeds with its 95 % bootstrap interval",
            ),
            (
                charts.draw_performance_profile(results),
                "Performance profile: the share of seeds whose best policy returns more than τ, with 95 % bootstrap "
                "intervals (Agarwal et al., 2021)",
            ),
        ],
        seeds=seeds_table(results),
        maps=list(_maps(comparisons)),
        players=list(_players(results, comparisons, None if embedded else videos)),
    )


def _section(comparison: Comparison, index: int) -> dict[str, Any]:
    changes, both = comparison.changes, (comparison.baseline, comparison.candidate)
    same = {"parameters": changes.parameters, "code": changes.code, "packages": changes.packages}
    return {
        "baseline": comparison.baseline.name,
        "candidate": comparison.candidate.name,
        "verdict": comparison.verdict,
        "how": how_compared(comparison),
        "levels": " and ".join(dict.fromkeys(_percent(each.confidence_level) for each in both)),
        "cautions": comparison.cautions,
        "scores": list(_scores(comparison, index)),
        "parameters": changes.parameters,
        "packages": changes.packages,
        "code": changes.code,
        "same": [name for name, changed in same.items() if not changed],
    }


def _scores(comparison: Comparison, index: int) -> Iterator[dict[str, Any]]:
    differences = {difference.metric: difference for difference in comparison.differences}
    for metric, (baseline, candidate) in comparison.values.items():
        difference = differences.get(metric)
        yield {
            "label": metric.label,
            "statistic": metric.statistic_name,
            "sides": [
                (result.name, charts.colour_of(place), _minus(show_interval(metric, value)))
                for result, place, value in (
                    (comparison.baseline, 0, baseline),
                    (comparison.candidate, index, candidate),
                )
            ],
            "change": _minus(show_change(difference)) if difference else "",
            "improvement": show_share(difference.improvement) if difference else "",
            "picture": charts.draw_intervals([(baseline, 0), (candidate, index)], difference),
            "words": _sentence(describe(difference, comparison), comparison.candidate.name) if difference else "",
        }


def _curves(results: Sequence[Result]) -> Iterator[tuple[str, str]]:
    for measure, caption in _CURVES.items():
        if all(measure in result.training and result.training[measure].notna().any() for result in results):
            yield charts.draw_learning_curves(results, measure), caption


def seeds_table(results: Sequence[Result]) -> dict[str, Any]:
    """Every score of every seed, results side by side: the scores' labels, and rows of texts that begin with a seed."""
    metrics = [metric for metric in METRICS if all(metric.name in result.seeds for result in results)]
    tables = [result.seeds.set_index("seed") for result in results]
    seeds = sorted({int(seed) for table in tables for seed in table.index})
    rows = [[str(seed), *(_cell(metric, table, seed) for metric in metrics for table in tables)] for seed in seeds]
    return {"labels": [metric.label for metric in metrics], "rows": rows}


def _cell(metric: Metric, table: pd.DataFrame, seed: int) -> str:
    if seed not in table.index:
        return "–"
    value = float(table.loc[seed, metric.name])  # type: ignore[arg-type]
    return _minus(metric.show(math.inf if math.isnan(value) else value))


def _maps(comparisons: Sequence[Comparison]) -> Iterator[tuple[str, str]]:
    for comparison in comparisons:
        picture = charts.draw_maps(comparison.baseline, comparison.candidate)
        if picture:
            yield (
                picture,
                f"After training, the median seeds of {comparison.baseline.name} and {comparison.candidate.name}: the "
                "greatest Q over actions, in units of each one's normalised reward, the policy, and the differences, "
                "candidate less baseline",
            )


def _players(
    results: Sequence[Result], comparisons: Sequence[Comparison], videos: Path | None
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """A group of films for each kind that any result has, with a heading and a note."""
    same_starts = all(comparison.same_starts for comparison in comparisons)
    starts = "from the same start states" if same_starts else "from different start states"
    for name, heading, note in (
        ("training", "Training", "The median seeds' trainings, at the same agent step."),
        (
            "rollout",
            "Best policies at work",
            f"The median seeds' best policies {starts}, at the same environment step.",
        ),
    ):
        group = [
            {
                "source": data_uri(film) if videos is None else _beside(film, videos, f"{i}-{name}.mp4"),
                "caption": f"{result.name}, seed {result.median_seed}",
                "colour": charts.colour_of(i),
                "pace": result.pace(name),
            }
            for i, result in enumerate(results)
            if (film := result.film(name))
        ]
        if group:
            yield heading, group, note


def _beside(film: Path, videos: Path, name: str) -> str:
    """Copies a film beside the page; returns its address there."""
    videos.mkdir(exist_ok=True)
    (videos / name).write_bytes(film.read_bytes())
    return f"{videos.name}/{name}"


def _percent(level: float) -> str:
    return f"{100 * level:g} %"


def _minus(text: str) -> str:
    return text.replace("-", "−")


def _sentence(words: str, name: str) -> str:
    """The words with a capital, but for a name that they begin with."""
    return words if words.startswith(name) else words[:1].upper() + words[1:]
