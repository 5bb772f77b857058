"""The comparison as a web page; see `templates/compare.html`."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.exploration import page_of_results
from pipeline.provenance.result import CONFIDENCE_LEVEL, Result
from pipeline.reports import charts
from pipeline.reports.comparison import Comparison
from pipeline.reports.film import Film, films_of
from pipeline.reports.formats import MISSING, show_level
from pipeline.reports.metrics import MEASURES, METRICS
from pipeline.reports.page import data_uri, render

MOST_EMBEDDED = 30_000_000
"""Bytes of videos in the page; more are files beside it."""
_LEVEL = show_level(CONFIDENCE_LEVEL)


def page_of(results: Sequence[Result], comparisons: Sequence[Comparison], videos: Path) -> str:
    """The page.

    Args:
        results: The baseline, then the others.
        comparisons: Of each other result with the baseline.
        videos: A folder beside the page, created if there are too many videos for the page itself.
    """
    trainings, rollouts = films_of(results, "training"), films_of(results, "rollout")
    embedded = sum(film.file.stat().st_size for film in trainings + rollouts) * 4 / 3 <= MOST_EMBEDDED
    starts = "the same" if all(comparison.same_starts for comparison in comparisons) else "different"
    players = (
        ("Training", trainings, "The median seeds' trainings, at the same agent step."),
        (
            "Rollouts of the best policies",
            rollouts,
            f"The median seeds' best policies from {starts} start states, at the same environment step.",
        ),
    )
    return render(
        "compare.html",
        title=" and ".join(result.name for result in results[1:]) + f" against {results[0].name}",
        embedded=embedded,
        results=[(result, charts.colour_of(i)) for i, result in enumerate(results)],
        comparisons=[_section(comparison, i) for i, comparison in enumerate(comparisons, start=1)],
        level=_LEVEL,
        curves=list(_curves(results)),
        distributions=[
            (
                charts.draw_score_distributions(results),
                "Returns of seeds (dots) and of their evaluation episodes (ticks), best and final policies; diamonds: "
                f"the interquartile mean over seeds with its {_LEVEL} interval",
            ),
            (
                charts.draw_performance_profile(results),
                f"Performance profile: the share of seeds whose best policy returns more than τ, with {_LEVEL} "
                "bootstrap intervals (Agarwal et al., 2021)",
            ),
        ],
        seeds=seeds_table(results),
        maps=list(_maps(comparisons)),
        explorer=page_of_results(results),
        players=[
            (heading, [(film, _source(film, None if embedded else videos)) for film in films], note)
            for heading, films, note in players
            if films
        ],
    )


def seeds_table(results: Sequence[Result]) -> dict[str, Any]:
    """Every score of every seed, results side by side: labels of the scores, and rows that begin with the seed."""
    metrics = [metric for metric in METRICS if all(metric.name in result.seeds for result in results)]
    tables = [result.seeds.set_index("seed") for result in results]
    seeds = sorted({int(seed) for table in tables for seed in table.index})
    cells = {
        (metric, i, seed): metric.show(math.inf if math.isnan(score) else score)
        for i, table in enumerate(tables)
        for metric in metrics
        for seed, score in table[metric.name].items()
    }
    keys = [(metric, i) for metric in metrics for i in range(len(results))]
    rows = [[str(seed), *(cells.get((*key, seed), MISSING) for key in keys)] for seed in seeds]
    return {"labels": [metric.label for metric in metrics], "rows": rows}


def _section(comparison: Comparison, index: int) -> dict[str, Any]:
    changes, both = comparison.changes, (comparison.baseline, comparison.candidate)
    return {
        "comparison": comparison,
        "colours": (charts.colour_of(0), charts.colour_of(index)),
        "pictures": [
            charts.draw_intervals([(score.baseline, 0), (score.candidate, index)], score.difference)
            for score in comparison.scores
        ],
        "levels": " and ".join(dict.fromkeys(show_level(each.confidence_level) for each in both)),
        "same": [name for name, changed in changes._asdict().items() if not changed],
    }


def _curves(results: Sequence[Result]) -> Iterator[tuple[str, str]]:
    for measure, caption in MEASURES.items():
        if all(measure in result.training and result.training[measure].notna().any() for result in results):
            yield charts.draw_learning_curves(results, measure), caption


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


def _source(film: Film, videos: Path | None) -> str:
    """Address of a film: embedded, or of a copy in this folder beside the page."""
    if videos is None:
        return data_uri(film.file)
    videos.mkdir(exist_ok=True)
    name = f"{len(list(videos.iterdir()))}-{film.file.name}"
    (videos / name).write_bytes(film.file.read_bytes())
    return f"{videos.name}/{name}"
