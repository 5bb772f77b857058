"""The results of commits and experiments: what each changed, what it scored, and its MLflow run."""

import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import pandas as pd

from ddpg.files import DamagedFileError
from pipeline.errors import RevisionError
from pipeline.provenance.digests import params_of_results
from pipeline.provenance.documents import metrics_in
from pipeline.provenance.git import project_root, run_git
from pipeline.provenance.revision import WORKSPACE, Revision, lock_of, params_of, text_of
from pipeline.reports.changes import changed_values
from pipeline.reports.formats import MISSING, align, show_change, show_interval, show_percent, show_value
from pipeline.revisions import names as revisions
from pipeline.revisions.digests import all_digests
from pipeline.stages import flatten
from pipeline.tracking import RecordedRun, recorded_runs
from pipeline.tracking.faults import reason

_STORE_SECONDS = 10.0
_INDENT = " " * 5
_METRICS = "results/evaluate/metrics.json"
_SCORES = ("solved_share", "return_iqm", "return_iqm_low", "return_iqm_high")

Note = Callable[[str], object]
"""Reports what is left out."""


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
    """Parameters that differ from those of the parent's results, as (old, new); `None` where one is absent."""
    seeds: int
    """Number of seeds."""
    solved_share: float | None
    """Share of the seeds whose best policy solves the task; `None` if unknown."""
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


def entries_of(names: Sequence[str], note: Note) -> list[Entry]:
    """The results of revisions, the newest first, with a mark on the best of each environment.

    Args:
        names: Of the revisions; all of them if empty.
        note: Reports what is left out.

    Raises:
        RevisionError: A name is not a revision with results.
    """
    answers = _start_lookup()
    groups = _group_by_result([_listed(name) for name in names] or _everything(note))
    try:
        runs, problem = answers.get(timeout=_STORE_SECONDS)
    except Empty:
        runs, problem = [], f"no answer within {_STORE_SECONDS:g} s"
    if problem:
        note(f"MLflow's runs are left out: {problem}")
    entries = [_entry(digests, group, runs, note) for digests, group in groups]
    # The workspace, which has no date, is the newest.
    return mark_best(sorted(entries, key=lambda entry: entry.date or "later", reverse=True))


def mark_best(entries: Sequence[Entry]) -> list[Entry]:
    """The entries, with a mark on the greatest interquartile mean of each environment."""

    def is_best(entry: Entry) -> bool:
        means = [each.return_iqm for each in entries if each.environment == entry.environment]
        return entry.return_iqm is not None and entry.return_iqm == max(mean for mean in means if mean is not None)

    return [replace(entry, best=is_best(entry)) for entry in entries]


def json_of(entries: Sequence[Entry]) -> str:
    """The entries as JSON."""
    return json.dumps([asdict(entry) for entry in entries], indent=2)


def csv_of(entries: Sequence[Entry]) -> str:
    """The entries as CSV; several names or changes share a cell."""
    lists = (
        {"names": ", ".join(entry.names), "commits": ", ".join(entry.commits), "changed": "; ".join(_changes(entry))}
        for entry in entries
    )
    rows = [asdict(entry) | joined for entry, joined in zip(entries, lists, strict=True)]
    return pd.DataFrame(rows).to_csv(index=False, lineterminator="\n").removesuffix("\n")


def table_of(entries: Sequence[Entry], width: int, *, links: bool) -> str:
    """The entries as a table, each with its date, subject, changes and other names below.

    Args:
        entries: At least one.
        width: Columns of the lines below an entry.
        links: Whether a run's name links to its page, by a terminal's escape sequence.
    """
    several = len({entry.environment for entry in entries}) > 1
    rows = [("", "revision", "seeds", "solved", "return [interval]", "MLflow run"), *map(_cells, entries)]
    heading, *table = align(rows, right=(2, 3))
    lines = [heading]
    for entry, line in zip(entries, table, strict=True):
        if links and entry.run_name and entry.run_link:
            link = f"\033]8;;{entry.run_link}\033\\{entry.run_name}\033]8;;\033\\"
            lines.append(line.removesuffix(entry.run_name) + link)
        else:
            lines.append(line)
        about = " ".join(filter(None, (entry.date, entry.environment * several, entry.subject)))
        also = f"still the result of {', '.join(entry.names)}" if entry.names else ""
        for text in filter(None, (about, ", ".join(_changes(entry)), also)):
            lines += textwrap.wrap(
                text, width, initial_indent=_INDENT, subsequent_indent=_INDENT, break_long_words=False
            )
    return "\n".join(lines)


def _start_lookup() -> SimpleQueue[tuple[list[RecordedRun], str]]:
    """Looks up the MLflow runs in the background; the queue receives them, and what went wrong."""
    answers: SimpleQueue[tuple[list[RecordedRun], str]] = SimpleQueue()

    def look_up() -> None:
        try:
            answers.put((recorded_runs(), ""))
        except Exception as error:
            answers.put(([], reason(error)))

    Thread(target=look_up, daemon=True).start()
    return answers


def _listed(name: str) -> Revision:
    revision = revisions.resolve(name)
    if revision.kind == "run" and revision.commit is None:
        raise RevisionError(
            f"{name}: expected a run whose result a commit holds; `python -m pipeline.show {name}` shows it"
        )
    return revision


def _everything(note: Note) -> list[Revision]:
    """All revisions, but for a workspace whose dvc.lock is invalid, as in the middle of a merge."""
    workspace = Revision(WORKSPACE, None, "workspace")
    try:
        lock_of(workspace)
    except RevisionError as error:
        note(f"left out: {error}")
        return [*revisions.commits(), *revisions.experiments()]
    return [workspace, *revisions.commits(), *revisions.experiments()]


def _group_by_result(listed: Sequence[Revision]) -> list[tuple[dict[str, str], list[Revision]]]:
    """The revisions by result, with its digests by stage; without revisions that have no result."""
    groups: dict[tuple[tuple[str, str], ...], list[Revision]] = {}
    for revision, digests in all_digests(listed):
        if digests:
            groups.setdefault(tuple(digests.items()), []).append(revision)
    return [(dict(content), group) for content, group in groups.items()]


def _entry(digests: Mapping[str, str], group: Sequence[Revision], runs: Sequence[RecordedRun], note: Note) -> Entry:
    # The oldest commit: it says more than the experiment that it came from.
    first = max(group, key=lambda revision: (revision.kind == "commit", group.index(revision)))
    holding = [revision.commit for revision in group if revision.commit]
    name = str(first.commit)[:7] if first.kind == "commit" else first.name
    own_names = (each.name for each in group if not str(each.commit).startswith(each.name))
    names = dict.fromkeys([*revisions.references("--points-at", holding), *own_names])
    date, subject = _date_and_subject(first)
    params = _params(first)
    best = _metrics(first, note).get("best", {}) if "evaluate" in digests else {}
    scores: dict[str, Any] = {name: best.get(name) for name in _SCORES}
    run = next((run for run in runs if digests.items() <= run.digests.items()), None)
    return Entry(
        revision=name,
        names=tuple(each for each in names if each != name),
        commits=tuple(dict.fromkeys(holding)),
        date=date,
        subject=subject if first.kind == "commit" else "",
        environment=str(params.get("environment", {}).get("id", "")),
        changed=_changed_params(first, params),
        seeds=len(params.get("seeds", ())),
        **scores,
        run=run.id if run else None,
        run_name=run.name if run else None,
        run_link=run.link if run else None,
    )


def _changed_params(revision: Revision, params: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    parent = revisions.parent_of(revision)
    before = _params(parent) if parent else {}
    return changed_values(dict(flatten(before, ".")), dict(flatten(params, "."))) if before else {}


def _params(revision: Revision) -> dict[str, Any]:
    """The parameters in dvc.lock, or those of params.yaml if it has none; empty if both files are missing or invalid.

    A merge that was committed with its conflicts has invalid ones.
    """
    try:
        return params_of_results({}, lock_of(revision)) or params_of(revision)
    except RevisionError:
        return {}


def _metrics(revision: Revision, note: Note) -> Mapping[str, Any]:
    """Contents of evaluate's metrics.json; empty if git does not have it, or it is invalid."""
    try:
        text = text_of(revision, _METRICS)
        return metrics_in(text, _METRICS) if text is not None else {}
    except DamagedFileError as error:
        note(f"numbers left out: {revision.name}: {error}")
        return {}


def _date_and_subject(revision: Revision) -> tuple[str, str]:
    form = ("--no-walk", "--date=format-local:%Y-%m-%d %H:%M", "--format=%cd%n%s")
    text = run_git(project_root(), "log", *form, revision.commit) if revision.commit else None
    date, _, subject = (text or "").partition("\n")
    return date, subject


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        "*" * entry.best,
        entry.revision,
        str(entry.seeds),
        "" if entry.solved_share is None else show_percent(entry.solved_share),
        ""
        if entry.return_iqm is None
        else show_interval(entry.return_iqm, entry.return_iqm_low, entry.return_iqm_high),
        entry.run_name or "",
    )


def _changes(entry: Entry) -> list[str]:
    shown = (
        (name, *(MISSING if value is None else show_value(value) for value in pair))
        for name, pair in entry.changed.items()
    )
    return [f"{name}: {show_change(old, new)}" for name, old, new in shown]
