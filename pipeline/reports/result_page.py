"""One result as a web page; see `templates/result.html`."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ddpg.visualizations import draw_learning_curves
from pipeline.provenance.result import Result
from pipeline.provenance.revision import Revision
from pipeline.reports.formats import show_number, show_percent
from pipeline.reports.metrics import MEASURES
from pipeline.reports.page import data_uri, render
from pipeline.stages import flatten

_FILMS = {
    "rollout.mp4": "The median seed's best policy from several start states",
    "training.mp4": "The median seed's training, snapshot by snapshot",
    "phase_portrait.png": "Where the best policy drives the state, and the action it takes there",
}


def page_of(result: Result) -> str:
    """The page of a result whose train stage is complete; it omits what later stages would add.

    Raises:
        RevisionError: It was not trained.
    """
    result.require("train")
    evaluated = "evaluate" in result.stages
    return render(
        "result.html",
        environment=result.params["environment"]["id"],
        name=result.name,
        origin=result.origin,
        seeds=result.params["seeds"],
        figures=list(key_figures(result.metrics)) if evaluated else [],
        curves=list(_curves(result)),
        table=result.seeds.to_dict("records") if evaluated else [],
        films=list(_films(result)),
        explorer=explorer.read_text(encoding="utf-8") if (explorer := result.picture("explorer.html")) else None,
        params={section: dict(flatten({section: values}, ".")) for section, values in result.params.items()},
        recipe=_recipe(result.revision),
    )


def key_figures(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The most important numbers of evaluate's metrics.json: a label, the number, and its meaning."""
    for name in ("best", "final"):
        value, low, high = (metrics[name].get(f"return_iqm{end}") for end in ("", "_low", "_high"))
        interval = "" if None in (low, high) else f", interval {show_number(low)} to {show_number(high)}"
        yield f"Return, {name} policies", show_number(value), f"interquartile mean over seeds{interval}"
    best = metrics["best"]
    if best.get("return_worst_seed") is not None:
        yield "Worst seed", show_number(best["return_worst_seed"]), "return of its best policy"
    if best.get("solved_share") is not None:
        yield "Solved", show_percent(best["solved_share"]), "of the seeds, by their best policies"
    episode, steps = (metrics.get(f"{unit}_to_solve_median") for unit in ("episodes", "environment_steps"))
    if episode is not None and steps is not None:
        yield "First solved after", show_number(steps, 0), f"environment steps, median; episode {episode:g}"


def _curves(result: Result) -> Iterator[tuple[str, str]]:
    """Learning curves as picture addresses with captions, of every return that was measured."""
    with tempfile.TemporaryDirectory() as temporary:
        for measure, caption in MEASURES.items():
            if measure in result.training and result.training[measure].notna().any():
                file = Path(temporary) / f"{measure}.svg"
                draw_learning_curves(result.training, file, result.reward_threshold, measure)
                yield data_uri(file), caption


def _films(result: Result) -> Iterator[tuple[str, str]]:
    """Addresses and captions of what the animate stage wrote."""
    for name, caption in _FILMS.items():
        if file := result.picture(name):
            yield data_uri(file), caption


def _recipe(revision: Revision) -> list[str]:
    """Commands that reproduce the result; none for a run whose parameters no commit holds."""
    if revision.commit is None:
        return [] if revision.kind == "run" else ["make repro"]
    return [f"git checkout {revision.commit}", "make repro"]
