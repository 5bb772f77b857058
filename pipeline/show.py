"""A result as a web page in one file: `python -m pipeline.show [REV]`."""

import argparse
import sys
import tempfile
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ddpg.files import replacing, require_parent
from ddpg.history import TrainingHistory
from ddpg.visualizations import draw_learning_curves
from pipeline.errors import REFUSALS, report
from pipeline.provenance.documents import metrics_in
from pipeline.provenance.revisions import Revision, RevisionError, RevisionResults, resolve, results_of
from pipeline.reports import data_uri, render
from pipeline.results import read_table
from pipeline.stages import flatten

CURVES = {
    "test_return": "Return of the test episode, without noise, after each training episode",
    "validation_return": "Mean return over the fixed validation episodes, by which the best policy was chosen",
    "training_return": "Return of the training episodes, with exploration noise",
}
FILMS = {
    "rollout.mp4": ("video", "The median seed's best policy from several start states"),
    "training.mp4": ("video", "The median seed's training, snapshot by snapshot"),
    "phase_portrait.png": ("picture", "Where the best policy drives the state, and the action it takes there"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the page and, unless a file was asked for, opens it in a browser.

    Returns:
        0, or 2 where there is no such revision, its results are none or damaged, or the file cannot be written.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.show",
        description="Show a result on one web page that needs no network: statistics, curves, videos, parameters.",
    )
    parser.add_argument(
        "revision",
        nargs="?",
        default="workspace",
        metavar="REV",
        help="a commit, branch, tag, DVC experiment or MLflow run; by default the workspace",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the page to this file and open nothing")
    options = parser.parse_args(arguments)
    try:
        if options.out is not None:
            _require_file(options.out)
        with results_of(resolve(options.revision)) as results:
            page = page_of(results)
        file = options.out or Path(tempfile.mkdtemp(prefix="ddpg-")) / "result.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            temporary.write_text(page, encoding="utf-8")
    except REFUSALS as error:
        return report("show", error, 2)
    print(file)
    if options.out is None:
        webbrowser.open(file.resolve().as_uri())
    return 0


def page_of(results: RevisionResults) -> str:
    """The page of a revision whose train stage is complete; what later stages would add is left out without them.

    Raises:
        RevisionError: It is not.
    """
    if "train" not in results.stages:
        raise RevisionError(f"{results.revision.name}: expected results of the train stage, found none")
    folder = results.folder / "results"
    file = folder / "evaluate/metrics.json"
    metrics = metrics_in(file.read_bytes(), str(file)) if "evaluate" in results.stages else {}
    return render(
        "result.html",
        environment=results.params["environment"]["id"],
        name=results.revision.name,
        origin=_origin(results.revision),
        seeds=results.params["seeds"],
        figures=list(key_figures(metrics)) if metrics else [],
        curves=list(curves(folder)),
        table=_rows(folder / "evaluate/seeds.csv") if metrics else [],
        films=list(films(folder)) if "animate" in results.stages else [],
        params={section: dict(flatten({section: values}, ".")) for section, values in results.params.items()},
        recipe=_recipe(results.revision),
    )


def key_figures(metrics: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """What comes first: label, value, and what the value is, from the contents of evaluate's metrics.json."""
    for name in ("best", "final"):
        if name in metrics:
            low, high = (metrics[name].get(f"return_iqm_{bound}") for bound in ("low", "high"))
            interval = "" if None in (low, high) else f", interval {low:.2f} to {high:.2f}"
            yield f"Return, {name} policies", metrics[name]["return_iqm"], f"interquartile mean over seeds{interval}"
    best = metrics.get("best", {})
    if best.get("return_worst_seed") is not None:
        yield "Worst seed", best["return_worst_seed"], "return of its best policy"
    if best.get("solved_share") is not None:
        yield "Solved", f"{best['solved_share']:.0%}", "of the seeds, by their best policies"
    episode, steps = (metrics.get(f"{unit}_to_solve_median") for unit in ("episodes", "environment_steps"))
    if None not in (episode, steps):
        yield "First solved after", steps, f"environment steps, median; episode {episode:g}"


def curves(folder: Path) -> Iterator[tuple[str, str]]:
    """Learning curves as picture addresses with captions, of every return that was measured."""
    episodes = read_table(folder / "train/episodes.csv", ["seed", "episode"], ["is_best"], [*CURVES])
    threshold = _reward_threshold(folder)
    with tempfile.TemporaryDirectory() as temporary:
        for measure, caption in CURVES.items():
            if measure in episodes and episodes[measure].notna().any():
                file = Path(temporary) / f"{measure}.svg"
                draw_learning_curves(episodes, file, threshold, measure)  # type: ignore[arg-type]
                yield data_uri(file), caption


def films(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Kind, address and caption of what the animate stage made."""
    for name, (kind, caption) in FILMS.items():
        file = folder / "animate" / name
        if file.is_file():
            yield kind, data_uri(file), caption


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected a file, received a folder")
    require_parent(path)


def _origin(revision: Revision) -> str:
    if revision.commit is None:
        return f"MLflow run {revision.name}" if revision.kind == "run" else "The workspace"
    commit = f"commit {revision.commit[:10]}"
    return commit.capitalize() if revision.commit.startswith(revision.name) else f"{revision.name}, {commit}"


def _recipe(revision: Revision) -> list[str]:
    """Commands that make the result again; none for a run whose parameters no commit holds."""
    if revision.commit is None:
        return [] if revision.kind == "run" else ["make repro"]
    return [f"git checkout {revision.commit}", "make repro"]


def _reward_threshold(folder: Path) -> float | None:
    histories = sorted((folder / "train/seeds").glob("*/history.npz"))
    return TrainingHistory.load(histories[0]).reward_threshold if histories else None


def _rows(table: Path) -> list[dict[str, Any]]:
    return read_table(table, ["seed"], []).to_dict("records")  # type: ignore[return-value]


if __name__ == "__main__":
    sys.exit(main())
