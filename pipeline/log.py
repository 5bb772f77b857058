"""The results of commits and experiments in a table: `python -m pipeline.log [REV…] [--limit N] [--json | --csv]`."""

import argparse
import csv
import json
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from threading import Thread
from typing import Any

from ddpg.files import DamagedFileError
from pipeline.errors import REFUSALS, report
from pipeline.provenance.digests import params_of_results
from pipeline.provenance.documents import metrics_in
from pipeline.provenance.git import project_root, run_git
from pipeline.provenance.revisions import (
    WORKSPACE,
    Revision,
    RevisionError,
    all_digests,
    commits,
    experiments,
    lock_of,
    parent_of,
    references,
    resolve,
    text_of,
)
from pipeline.stages import flatten
from pipeline.tracking import RecordedRun, TrackingError, recorded_runs

_STORE_SECONDS = 10.0
_WIDTH_OF_A_FILE = 120
_DETAILS: Any = {"initial_indent": " " * 5, "subsequent_indent": " " * 5, "break_long_words": False}


@dataclass(frozen=True)
class Entry:
    """A result, and the revisions that hold it."""

    revision: str
    """The first of them: a commit's short hash, an experiment's name, or `workspace`."""
    names: tuple[str, ...]
    """Branches, tags and experiments at these revisions."""
    commits: tuple[str, ...]
    """Their commits' hashes, the newest first."""
    date: str
    """When the first was committed; empty for the workspace."""
    subject: str
    """Of the first commit's message."""
    environment: str
    """Its registered name."""
    changed: dict[str, tuple[Any, Any]]
    """Parameters that differ from those of the parent's results, as `changed_params` gives them."""
    seeds: int
    """How many there are."""
    solved_share: float | None
    """Share of the seeds whose best policy solves the task; `None` where that is not known."""
    return_iqm: float | None
    """Interquartile mean, over seeds, of the best policies' return."""
    return_iqm_low: float | None
    """Lower bound of its interval."""
    return_iqm_high: float | None
    """Upper bound of its interval."""
    best: bool = False
    """Whether no other entry of the environment has a greater interquartile mean."""
    run: str | None = None
    """Id of the newest MLflow run that holds the result."""
    run_name: str | None = None
    run_link: str | None = None
    """Its page in the MLflow UI."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table.

    Returns:
        0, or 1 where there are no results, or 2 where a name is none of a revision, or that of a damaged one.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.log",
        description="List the results of commits and DVC experiments, the newest first: the parameters they changed, "
        "the return of their best policies (interquartile mean over seeds, with its interval) and their MLflow run. "
        "A star marks the greatest mean of an environment. Revisions with the same results share a line.",
    )
    parser.add_argument("revisions", nargs="*", metavar="REV", help="only these revisions (default: all)")
    parser.add_argument("--limit", type=_limit, default=20, metavar="N", help="at most so many lines (default: 20)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_const", dest="print", const=_print_json, help="print JSON")
    form.add_argument("--csv", action="store_const", dest="print", const=_print_csv, help="print CSV")
    options = parser.parse_args(arguments)
    runs = _Runs()
    try:
        results = group_by_result([_listed(name) for name in options.revisions] or _everything())
        found = runs.get()
        entries = [_entry(digests, group, found) for digests, group in results]
    except REFUSALS as error:
        return report("log", error, 2)
    if not entries:
        return report(
            "log", "expected results in the workspace, a commit or an experiment, found none; run `dvc repro`", 1
        )
    # The workspace, which has no date, is the newest.
    entries.sort(key=lambda entry: entry.date or "later", reverse=True)
    (options.print or _print_table)(mark_best(entries)[: options.limit])
    return 0


def group_by_result(revisions: Sequence[Revision]) -> list[tuple[dict[str, str], list[Revision]]]:
    """The revisions that share a result, with its digests by stage; those without results are left out."""
    groups: dict[tuple[tuple[str, str], ...], list[Revision]] = {}
    for revision, digests in all_digests(revisions):
        if digests:
            groups.setdefault(tuple(digests.items()), []).append(revision)
    return [(dict(content), group) for content, group in groups.items()]


def changed_params(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Parameters that differ, by their path, with the old and the new value; `None` where one is absent."""
    before, after = dict(flatten(old, ".")), dict(flatten(new, "."))
    names = [name for name in before | after if before.get(name) != after.get(name)]
    return {name: (before.get(name), after.get(name)) for name in names}


def mark_best(entries: Sequence[Entry]) -> list[Entry]:
    """The entries, with a mark on the greatest interquartile mean of each environment."""
    greatest: dict[str, float] = {}
    for entry in entries:
        if entry.return_iqm is not None:
            greatest[entry.environment] = max(entry.return_iqm, greatest.get(entry.environment, entry.return_iqm))
    return [
        replace(entry, best=entry.return_iqm is not None and entry.return_iqm == greatest[entry.environment])
        for entry in entries
    ]


class _Runs:
    """The MLflow runs, looked up in the background; a store that does not answer soon costs the links only."""

    def __init__(self) -> None:
        self._found: list[RecordedRun] = []
        self._problem: str | None = f"no answer within {_STORE_SECONDS:g} s"
        self._thread = Thread(target=self._look_up, daemon=True)
        self._thread.start()

    def _look_up(self) -> None:
        try:
            self._found, self._problem = recorded_runs(), None
        except TrackingError as error:
            self._problem = str(error)

    def get(self) -> list[RecordedRun]:
        self._thread.join(_STORE_SECONDS)
        if self._problem:
            report("log", f"MLflow's runs are left out: {self._problem}", 0)
        return self._found


def _listed(name: str) -> Revision:
    revision = resolve(name)
    if revision.kind == "run" and revision.commit is None:
        raise RevisionError(
            f"{name}: expected a run whose result a commit holds; `python -m pipeline.show {name}` shows it"
        )
    return revision


def _everything() -> list[Revision]:
    """All there is; a workspace whose dvc.lock is damaged, as in the middle of a merge, is left out."""
    workspace = Revision(WORKSPACE, None, "workspace")
    try:
        lock_of(workspace)
    except RevisionError as error:
        report("log", f"left out: {error}", 0)
        return [*commits(), *experiments()]
    return [workspace, *commits(), *experiments()]


def _entry(digests: Mapping[str, str], group: Sequence[Revision], runs: Sequence[RecordedRun]) -> Entry:
    # A commit says more than the experiment that it came from; the last is the oldest.
    first = max(group, key=lambda revision: (revision.kind == "commit", group.index(revision)))
    holding = [revision.commit for revision in group if revision.commit]
    names = [
        *references("--points-at", holding),
        *(each.name for each in group if not str(each.commit).startswith(each.name)),
    ]
    name = str(first.commit)[:7] if first.kind == "commit" else first.name
    params = params_of_results({}, lock_of(first))
    best = _metrics(first).get("best", {}) if "evaluate" in digests else {}
    run = next((run for run in runs if digests.items() <= run.digests.items()), None)
    return Entry(
        revision=name,
        names=tuple(each for each in dict.fromkeys(names) if each != name),
        commits=tuple(dict.fromkeys(holding)),
        date=_of_commit(first, "%cd"),
        subject=_of_commit(first, "%s") if first.kind == "commit" else "",
        environment=str(params.get("environment", {}).get("id", "")),
        changed=_changed(first, params),
        seeds=len(params.get("seeds", ())),
        solved_share=best.get("solved_share"),
        return_iqm=best.get("return_iqm"),
        return_iqm_low=best.get("return_iqm_low"),
        return_iqm_high=best.get("return_iqm_high"),
        run=run.id if run else None,
        run_name=run.name if run else None,
        run_link=run.link if run else None,
    )


def _changed(revision: Revision, params: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    parent = parent_of(revision)
    try:
        before = params_of_results({}, lock_of(parent)) if parent else {}
    except RevisionError:  # a merge that was committed with its conflicts
        before = {}
    return changed_params(before, params) if before else {}


def _metrics(revision: Revision) -> Mapping[str, Any]:
    """The evaluation's numbers; none where git does not have them, or they are damaged."""
    name = "results/evaluate/metrics.json"
    text = text_of(revision, name)
    if text is None:
        return {}
    try:
        return metrics_in(text, name)
    except DamagedFileError as error:
        report("log", f"numbers left out: {revision.name}: {error}", 0)
        return {}


def _of_commit(revision: Revision, what: str) -> str:
    if revision.commit is None:
        return ""
    form = ("--no-walk", "--date=format-local:%Y-%m-%d %H:%M", f"--format={what}")
    return run_git(project_root(), "log", *form, revision.commit) or ""


def _print_json(entries: Sequence[Entry]) -> None:
    print(json.dumps([asdict(entry) for entry in entries], indent=2))


def _print_csv(entries: Sequence[Entry]) -> None:
    rows = [
        asdict(entry)
        | {"names": ", ".join(entry.names), "commits": ", ".join(entry.commits), "changed": "; ".join(_changes(entry))}
        for entry in entries
    ]
    writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _print_table(entries: Sequence[Entry]) -> None:
    several = len({entry.environment for entry in entries}) > 1
    rows = [("", "revision", "seeds", "solved", "return [interval]", "MLflow run"), *map(_cells, entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    details = [[], *(_details(entry, several) for entry in entries)]
    links = ["", *(entry.run_link or "" for entry in entries)]
    for row, lines, link in zip(rows, details, links, strict=True):
        cells = [
            cell.rjust(width) if name in ("seeds", "solved") else cell.ljust(width)
            for cell, width, name in zip(row, widths, rows[0], strict=True)
        ]
        if link and sys.stdout.isatty():
            cells[-1] = f"\033]8;;{link}\033\\{row[-1]}\033]8;;\033\\"
        print("  ".join(cells).rstrip())
        for line in lines:
            print(textwrap.fill(line, _width(), **_DETAILS))


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        "*" * entry.best,
        f"{entry.revision} ({', '.join(entry.names)})" if entry.names else entry.revision,
        str(entry.seeds),
        "" if entry.solved_share is None else f"{entry.solved_share:.0%}",
        _return(entry),
        entry.run_name or "",
    )


def _details(entry: Entry, with_environment: bool) -> list[str]:
    """What stands in lines of its own, since it may be long."""
    about = [entry.date, entry.environment * with_environment, entry.subject]
    return list(filter(None, [" ".join(filter(None, about)), ", ".join(_changes(entry))]))


def _width() -> int:
    return shutil.get_terminal_size((_WIDTH_OF_A_FILE, 0)).columns


def _changes(entry: Entry) -> list[str]:
    return [f"{name}: {_value(old)} → {_value(new)}" for name, (old, new) in entry.changed.items()]


def _value(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


def _return(entry: Entry) -> str:
    if entry.return_iqm is None:
        return ""
    bounds = (entry.return_iqm_low, entry.return_iqm_high)
    interval = "" if None in bounds else f" [{bounds[0]:.2f}, {bounds[1]:.2f}]"
    return f"{entry.return_iqm:.2f}{interval}"


def _limit(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, received {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
