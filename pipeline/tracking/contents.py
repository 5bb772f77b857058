"""What an MLflow run says about a result: parameters, metric points, files and a description; no MLflow here."""

import csv
import hashlib
import json
import math
import re
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
from pipeline.stages import STAGES, flatten, up_to

SEPARATOR = " · "
_SHORT_HASH = 7
_LONGEST_NAME = 200  # MLflow accepts 250
_LONGEST_VALUE = 5900  # and 6000
_NOT_MEASURED = ("median_seed",)  # numbers that name something
_EPISODES = {"training": "train", "test": "test", "validation": "validation"}
_POLICIES = ("best", "final")
_CURVES_OVER_SEEDS = ("train/return", "test/return", "validation/return")
_QUARTILES = {"lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75}

_STATISTICS_OF_ONE_SEED = {
    "best/return_iqm": "best/return",
    "final/return_iqm": "final/return",
    "environment_steps_to_solve_median": "environment_steps_to_solve",
}


class Point(NamedTuple):
    """One value of a metric at one step."""

    metric: str
    value: float
    step: int = 0


@dataclass
class Summary:
    """A stage's numbers, and its texts as tags."""

    points: list[Point] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)


def run_name(what: str, commit: str | None) -> str | None:
    """Return a run's name from what it changed and a commit, such as `tau_actor 0.1 · a1b2c3d`; `None` without both."""
    return SEPARATOR.join(filter(None, (what, (commit or "")[:_SHORT_HASH]))) or None


def names_commit(name: str, commit: str) -> bool:
    """Return whether a run's name is from `run_name`, with this commit."""
    return bool(commit) and name.rpartition(SEPARATOR)[2] == commit[:_SHORT_HASH]


def stage_params(stage: str, params: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters that a stage adds to those of the stages before it, by their path in params.yaml."""
    earlier = {name for before in up_to(stage)[:-1] for name, _ in STAGES[before].select_params(params)}
    return {
        accepted_name(name): accepted_value(value if isinstance(value, str) else json.dumps(value))
        for name, value in STAGES[stage].select_params(params)
        if name not in earlier
    }


def accepted_name(name: str) -> str:
    """Return a name that MLflow accepts: of letters, digits and `_-. :`, and not too long. Others get a digest."""
    accepted = re.sub(r"[^\w\-. :]", "_", name)[:_LONGEST_NAME]
    return accepted if accepted == name else f"{accepted}_{_digest(name)}"


def accepted_value(value: str) -> str:
    """Return a parameter's value that MLflow accepts: a longer one is cut, and gets a digest."""
    return value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}..._{_digest(value)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def stage_files(stage: str, results: Path) -> list[Path]:
    """Return a stage's tables, numbers, pictures and videos: its files, but for arrays, which only DVC keeps."""
    files = (results / stage / name for name in sorted(STAGES[stage].written))
    return [file for file in files if file.is_file() and file.suffix != ".npz"]


def stage_metrics(stage: str, results: Path) -> dict[str, Any]:
    """Return the contents of a stage's metrics.json; empty for a stage without one."""
    file = results / stage / "metrics.json"
    if not file.is_file():
        return {}
    return (metrics_in if stage == "evaluate" else json_in)(file.read_bytes(), str(file))


def episode_points(record: Mapping[str, Any]) -> list[Point]:
    """Return the metric points of one training episode, a row of episodes.csv; undefined values are left out."""
    values = {column: _number(value) for column, value in record.items() if column not in ("seed", "episode")}
    step = int(record["episode"])
    return [Point(_metric_name("train", column), value, step) for column, value in values.items() if value is not None]


def training_points(results: Path) -> dict[int, list[Point]]:
    """Return every seed's metric points, from `train/episodes.csv`."""
    points: dict[int, list[Point]] = defaultdict(list)
    with _rows(results / "train" / "episodes.csv") as records:
        for record in records:
            points[int(record["seed"])] += episode_points(record)
    return dict(points)


def points_over_seeds(points: Mapping[int, list[Point]]) -> list[Point]:
    """Return the median and quartiles over the seeds of each return, by episode, once every seed has had a value."""
    returns: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    begins: dict[str, int] = {}
    for of_seed in points.values():
        for metric in _CURVES_OVER_SEEDS:
            curve = {point.step: point.value for point in of_seed if point.metric == metric}
            begins[metric] = max(begins.get(metric, 0), min(curve, default=0))
            for step, value in curve.items():
                returns[metric][step].append(value)
    return [
        Point(f"{metric}_{name}", float(quantile), step)
        for metric, curve_of_all in sorted(returns.items())
        for step, values in sorted(curve_of_all.items())
        if step >= begins[metric]
        for name, quantile in zip(_QUARTILES, np.quantile(values, list(_QUARTILES.values())), strict=True)
    ]


def seed_summaries(stage: str, results: Path) -> dict[int, Summary]:
    """Return what a stage's seeds.csv, if it has one, says of each seed."""
    file = results / stage / "seeds.csv"
    if not file.is_file():
        return {}
    with _rows(file) as rows:
        return {int(row.pop("seed")): _summary_of_seed(stage, row) for row in rows}


def _summary_of_seed(stage: str, row: Mapping[str, Any]) -> Summary:
    """Its values, once more under the names of the statistics over seeds, whose columns its row then fills."""
    summary = summarize(stage, row)
    values = {point.metric: point.value for point in summary.points}
    same = {
        f"{stage}/{over_seeds}": values.get(f"{stage}/{own}") for over_seeds, own in _STATISTICS_OF_ONE_SEED.items()
    }
    summary.points += [Point(name, value) for name, value in same.items() if value is not None]
    return summary


def summarize(stage: str, metrics: Mapping[str, Any]) -> Summary:
    """Return numbers as metric points and texts as tags, by what they measure; undefined values are left out."""
    summary = Summary()
    for column, value in flatten(metrics, "/"):
        name = _metric_name(stage, column)
        number = None if column in _NOT_MEASURED else _number(value)
        if number is not None:
            summary.points.append(Point(name, number))
        elif column in _NOT_MEASURED or (isinstance(value, str) and value):
            summary.tags[name.replace("/", ".")] = str(value)
    return summary


def describe(
    params: Mapping[str, Any], tags: Mapping[str, str], evaluation: Mapping[str, Any], run: str | None = None
) -> str:
    """Return a run's description in Markdown: what it is, its outcome, how to reproduce and to compare it.

    Args:
        params: Contents of params.yaml.
        tags: The run's tags, which name the commit.
        evaluation: Contents of evaluate's metrics.json; empty before the evaluation.
        run: The run's id.
    """
    seeds = [str(seed) for seed in params["seeds"]]
    what = f"DDPG on **{params['environment']['id']}**, seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}"
    outcome = ", ".join(_outcome(evaluation.get("best", {}), len(seeds)))
    compare = f" To compare the workspace with it: `python -m pipeline.compare {run}`." if run else ""
    return f"{what}{': ' if outcome else ''}{outcome}.\n\n{_recipe(tags)}{compare}"


@contextmanager
def _rows(file: Path) -> "Iterator[csv.DictReader[str]]":
    """The rows of a table; whatever is wrong with them is reported with the name of the file."""
    try:
        with file.open(newline="", encoding="utf-8") as table:
            yield csv.DictReader(table)
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise DamagedFileError(f"{file}: expected a table (CSV), received something else ({error!r})") from None


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
    if column in ("is_best", "validation_episodes"):
        return f"validation/{column.removeprefix('validation_')}"
    kind, separator, rest = column.partition("_")
    if stage == "train" and rest.startswith("return") and kind in _EPISODES:
        return f"{_EPISODES[kind]}/{rest}"
    if stage == "evaluate" and separator and kind in _POLICIES:
        return f"evaluate/{kind}/{rest}"
    return f"{stage}/{column}"


def _number(value: Any) -> float | None:
    """A finite number with the digits that tables have, also from a field of one; `None` for anything else."""
    if isinstance(value, str):
        value = {"True": 1.0, "False": 0.0}.get(value, value)
    elif isinstance(value, float):
        value = CSV["float_format"] % value
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
