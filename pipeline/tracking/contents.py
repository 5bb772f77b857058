"""What an MLflow run says about a result: parameters, metric points, numbers, files and a description."""

import csv
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ddpg.files import DamagedFileError
from pipeline.provenance.documents import json_in, metrics_in
from pipeline.results import CSV
from pipeline.stages import TRAIN

MODEL_ALIAS = "newest"  # MLflow reserves "latest"
ARTIFACT_FOLDERS = {"train": "train", "evaluate": "evaluate", "animate": "videos"}
"""Where MLflow keeps each stage's files."""

_SECTIONS = {
    "train": ("seeds", "environment", "agent", "train"),
    "evaluate": ("evaluate",),
    "animate": ("animate",),
}
_SUFFIXES = (".csv", ".json", ".png", ".gif", ".mp4")
_NAMES_OF_SEEDS = ("median_seed",)  # numbers, but no measurements
_EPISODES = {"training": "train", "test": "test", "validation": "validation"}
_POLICIES = ("best", "final")
_CURVES_OVER_SEEDS = ("train/return", "test/return", "validation/return")


class Point(NamedTuple):
    """One value of a metric at one step."""

    metric: str
    value: float
    step: int = 0


@dataclass
class Summary:
    """What a stage says in numbers and words."""

    points: list[Point] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)


def flatten(nested: Mapping[str, Any], separator: str) -> dict[str, Any]:
    """Join the names of a nested mapping: `{"a": {"b": 1}}` to `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}{separator}{inner}": leaf for inner, leaf in flatten(value, separator).items()}
        else:
            flat[str(name)] = value
    return flat


def stage_params(stage: str, params: Mapping[str, Any]) -> dict[str, str]:
    """The parameters on which a stage's result depends, by their path in params.yaml."""
    # An old revision may lack a section.
    flat = flatten({section: params[section] for section in _SECTIONS[stage] if section in params}, ".")
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in flat.items()
        if name not in TRAIN.without_effect
    }


def episode_points(record: Mapping[str, Any]) -> list[Point]:
    """The metric points of one training episode, as episodes.csv has them; undefined values are left out."""
    points = []
    for column, value in record.items():
        number = _number(CSV["float_format"] % value if isinstance(value, float) else value)
        if column not in ("seed", "episode") and number is not None:
            points.append(Point(_metric_name("train", column), number, int(record["episode"])))
    return points


def training_points(results: Path) -> dict[int, list[Point]]:
    """Every seed's metric points, from `train/episodes.csv`."""
    points: dict[int, list[Point]] = defaultdict(list)
    with _rows(results / "train" / "episodes.csv") as records:
        for record in records:
            points[int(record["seed"])] += episode_points(record)
    return dict(points)


def points_over_seeds(points: Mapping[int, list[Point]]) -> list[Point]:
    """Median and quartiles over the seeds of each return, by episode."""
    returns: dict[tuple[str, int], list[float]] = defaultdict(list)
    for metric, value, step in (point for of_seed in points.values() for point in of_seed):
        if metric in _CURVES_OVER_SEEDS:
            returns[metric, step].append(value)
    return [
        Point(f"{metric}_{name}", float(quantile), step)
        for (metric, step), values in sorted(returns.items())
        for name, quantile in zip(
            ("lower_quartile", "median", "upper_quartile"), np.quantile(values, (0.25, 0.5, 0.75)), strict=True
        )
    ]


def stage_metrics(stage: str, results: Path) -> dict[str, Any]:
    """Contents of a stage's metrics.json; empty for a stage that has none."""
    file = results / stage / "metrics.json"
    if not file.is_file():
        return {}
    return (metrics_in if stage == "evaluate" else json_in)(file.read_bytes(), str(file))


def seed_summaries(stage: str, results: Path) -> dict[int, Summary]:
    """What a stage's seeds.csv, if it has one, says of each seed."""
    file = results / stage / "seeds.csv"
    if not file.is_file():
        return {}
    with _rows(file) as rows:
        return {int(row.pop("seed")): summarize(stage, row) for row in rows}


@contextmanager
def _rows(file: Path) -> "Iterator[csv.DictReader[str]]":
    """The rows of a table; whatever is wrong with them is said with the name of the file."""
    try:
        with file.open(newline="", encoding="utf-8") as table:
            yield csv.DictReader(table)
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise DamagedFileError(f"{file}: expected a table (CSV), received something else ({error!r})") from None


def summarize(stage: str, metrics: Mapping[str, Any]) -> Summary:
    """Numbers as metric points and texts as tags, by what they measure; undefined values are left out."""
    summary = Summary()
    for column, value in flatten(metrics, "/").items():
        name = _metric_name(stage, column)
        number = _number(CSV["float_format"] % value if isinstance(value, float) else value)
        if column in _NAMES_OF_SEEDS:
            summary.tags[name.replace("/", ".")] = str(value)
        elif number is not None:
            summary.points.append(Point(name, number))
        elif isinstance(value, str) and value:
            summary.tags[name.replace("/", ".")] = value
    return summary


def stage_files(stage: str, results: Path) -> Iterator[tuple[Path, str]]:
    """The tables, numbers, pictures and videos of a stage, each with the artifact folder it belongs in."""
    for file in sorted((results / stage).iterdir()):
        if file.suffix in _SUFFIXES:
            yield file, ARTIFACT_FOLDERS[stage]


def describe(
    params: Mapping[str, Any], tags: Mapping[str, str], evaluation: Mapping[str, Any], run: str | None = None
) -> str:
    """A run's description in Markdown: what it is and what came out, how to make it again and what to compare.

    Args:
        params: Contents of params.yaml.
        tags: The run's tags, which name the commit.
        evaluation: Contents of evaluate's metrics.json; empty before.
        run: The run's id.
    """
    seeds = [str(seed) for seed in params["seeds"]]
    what = f"DDPG on **{params['environment']['id']}**, seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}"
    outcome = ", ".join(_outcome(evaluation.get("best", {}), len(seeds)))
    compare = f" To compare the workspace with it: `python -m pipeline.compare {run}`." if run else ""
    return f"{what}{': ' if outcome else ''}{outcome}.\n\n{_recipe(tags)}{compare}"


def describe_model(environment: str) -> str:
    """What the versions of an environment's registered model are, in Markdown."""
    return (
        f"Actors that DDPG trained on **{environment}**: from observations (n, observation size) to actions "
        "(n, action size), both in the environment's units. Each version is the best policy of a result's median "
        f"seed; its description says how good it is. The alias `{MODEL_ALIAS}` is that of the last `dvc repro`."
    )


def _outcome(best: Mapping[str, Any], n_seeds: int) -> Iterator[str]:
    if all(_number(best.get(f"return_iqm{bound}")) is not None for bound in ("", "_low", "_high")):
        interval = f"[{best['return_iqm_low']:.2f}, {best['return_iqm_high']:.2f}]"
        yield f"the best policies return **{best['return_iqm']:.2f}** {interval} (interquartile mean over seeds)"
    if _number(best.get("solved_share")) is not None:
        yield f"{round(best['solved_share'] * n_seeds)} of {n_seeds} solve the task"


def _recipe(tags: Mapping[str, str]) -> str:
    if "git.commit" not in tags:
        return "Made by `dvc repro` outside any git commit."
    changes = (
        ", apply the artifact `git.diff` (which names untracked files, but does not hold them)"
        if tags["git.dirty"] == "true"
        else ""
    )
    return f"To reproduce it: `git checkout {tags['git.commit'][:10]}`{changes}, `dvc repro`."


def _metric_name(stage: str, column: str) -> str:
    """`test_return` of the train stage is `test/return`, `best_return` of evaluate is `evaluate/best/return`."""
    if column == "is_best":
        return "validation/is_best"
    kind, separator, rest = column.partition("_")
    if stage == "train" and rest.startswith("return") and kind in _EPISODES:
        return f"{_EPISODES[kind]}/{rest}"
    if stage == "evaluate" and separator and kind in _POLICIES:
        return f"evaluate/{kind}/{rest}"
    return f"{stage}/{column}"


def _number(value: Any) -> float | None:
    """A finite number, also from a CSV field; `None` for anything else."""
    if isinstance(value, str):
        value = {"True": 1.0, "False": 0.0}.get(value, value)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
