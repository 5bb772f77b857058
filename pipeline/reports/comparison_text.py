"""The comparison as text: for the terminal, and in GitHub's Markdown for a pull request."""

import html
import re
import textwrap
from collections.abc import Iterator, Sequence

from pipeline.reports.changes import Change
from pipeline.reports.comparison import Comparison
from pipeline.reports.formats import align, show_change

WIDTH = 100
"""Columns of the terminal's text."""


def lines_of(comparison: Comparison) -> Iterator[str]:
    """The comparison for the terminal, line by line."""
    for role, result in (("baseline ", comparison.baseline), ("candidate", comparison.candidate)):
        yield _shorten(f"{role}  {result.name} ({result.origin})")
    changes = comparison.changes
    yield from _section("Parameters", _change_lines(changes.parameters))
    yield from _section("Environments", _change_lines(changes.environments))
    yield from _section("Code", changes.code.splitlines())
    yield from _section("Packages", _change_lines(changes.packages))
    if not comparison.identical:
        yield from _section("Scores", [*_score_lines(comparison)])
    notes = [line for caution in comparison.cautions() for line in textwrap.wrap(f"Note: {caution}", WIDTH - 2)]
    yield from ("", *notes) if notes else ()
    yield ""
    yield from textwrap.wrap(comparison.verdict, WIDTH - 2)


def markdown_of(comparisons: Sequence[Comparison]) -> str:
    """A verdict, a table of scores and the changes of each comparison."""
    return "\n".join(line for comparison in comparisons for line in _markdown(comparison))


def escape(text: str) -> str:
    """Text without any meaning in Markdown or HTML, also within a table."""
    escaped = re.sub(r"([\\`*_{}\[\]#|~@$])", r"\\\1", html.escape(" ".join(text.split()), quote=False))
    # Otherwise GitHub turns addresses into links.
    return escaped.replace("://", ":&#47;&#47;")


def _section(title: str, body: Sequence[str]) -> Iterator[str]:
    yield from ("", title if body else f"{title}: the same")
    yield from (f"  {line.removeprefix(' ')}" for line in body)


def _change_lines(changes: Sequence[Change]) -> list[str]:
    lines = align([(name, show_change(old, new)) for name, old, new in changes]) if changes else []
    return [_shorten(line, WIDTH - 2) for line in lines]


def _score_lines(comparison: Comparison) -> Iterator[str]:
    yield from textwrap.wrap(comparison.pairing, WIDTH - 2)
    names = [_shorten(each.name, 24) for each in (comparison.baseline, comparison.candidate)]
    rows = [["", *names, "difference" if comparison.differences else ""]]
    for metric, baseline, candidate, difference in comparison.scores:
        values = metric.show_interval(baseline), metric.show_interval(candidate)
        rows.append([metric.label, *values, difference.show_change() if difference else ""])
    heading, *lines = align(rows)
    yield heading
    for line, score in zip(lines, comparison.scores, strict=True):
        yield line
        if score.difference:
            words = score.difference.describe(comparison.candidate.name)
            pairing = score.difference.show_pairing()
            text = f"{words}; probability of improvement {score.difference.show_improvement()}"
            text += f"; {pairing}" if pairing else ""
            yield from textwrap.wrap(text, WIDTH - 6, initial_indent="    ", subsequent_indent="    ")


def _shorten(text: str, width: int = WIDTH) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _markdown(comparison: Comparison) -> Iterator[str]:
    yield f"### {escape(comparison.candidate.name)} against {escape(comparison.baseline.name)}\n"
    yield f"**{escape(comparison.verdict)}**\n"
    changes = comparison.changes
    for title, changed in (
        ("Parameters", changes.parameters),
        ("Environments", changes.environments),
        ("Packages", changes.packages),
    ):
        if changed:
            yield from _table((title, "baseline", "candidate"), [[*map(escape, change)] for change in changed])
    if changes.code:
        yield "<details><summary>Code</summary>\n"
        yield from (f"    {line}" for line in changes.code.splitlines())
        yield "\n</details>\n"
    if comparison.scores and not comparison.identical:
        yield from _score_table(comparison)
    for caution in comparison.cautions():
        yield f"> {escape(caution)}\n"
    for role, result in (("Baseline", comparison.baseline), ("Candidate", comparison.candidate)):
        yield f"{role}: {escape(result.name)} ({escape(result.origin)})  "
    yield ""


def _score_table(comparison: Comparison) -> Iterator[str]:
    names = [escape(each.name) for each in (comparison.baseline, comparison.candidate)]
    heading = [comparison.pairing, *names, "difference", "probability of improvement", "", "seeds"]
    rows = []
    for metric, baseline, candidate, difference in comparison.scores:
        words = ["", "", "", ""]
        if difference:
            meaning = escape(difference.describe(comparison.candidate.name))
            pairing = difference.show_pairing() or "not paired"
            words = [difference.show_change(), difference.show_improvement(), meaning, pairing]
        label = f"{metric.label} ({metric.statistic_name})"
        rows.append([label, metric.show_interval(baseline), metric.show_interval(candidate), *words])
    yield from _table(heading, rows, ["---", *["---:"] * 4, "---", "---"])


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]], rules: Sequence[str] = ("---",) * 3) -> Iterator[str]:
    yield from (f"| {' | '.join(cells)} |" for cells in (heading, rules, *rows))
    yield ""
