"""The comparison for a pull request, in GitHub's Markdown."""

import html
import re
from collections.abc import Iterator, Sequence

from pipeline.reports.changes import Change
from pipeline.reports.comparison import Comparison, describe
from pipeline.reports.text import how_compared, show_change, show_interval, show_share


def markdown_of(comparisons: Sequence[Comparison]) -> str:
    """A verdict and a table of scores for each comparison, and what differs folded away."""
    return "\n".join(line for comparison in comparisons for line in _section(comparison))


def escape(text: str) -> str:
    """Text that means nothing to Markdown or HTML, also within a table."""
    escaped = re.sub(r"([\\`*_{}\[\]#|~@$])", r"\\\1", html.escape(" ".join(text.split()), quote=False))
    # Otherwise GitHub makes links of addresses.
    return escaped.replace("://", ":&#47;&#47;")


def _section(comparison: Comparison) -> Iterator[str]:
    yield f"### {escape(comparison.candidate.name)} against {escape(comparison.baseline.name)}"
    yield ""
    yield f"**{escape(comparison.verdict)}**"
    yield ""
    yield from _scores(comparison)
    for caution in comparison.cautions:
        yield f"> {escape(caution)}"
        yield ""
    for title, changes in (("Parameters", comparison.changes.parameters), ("Packages", comparison.changes.packages)):
        yield from _changes(title, changes)
    if comparison.changes.code:
        yield "<details><summary>Code</summary>"
        yield ""
        yield from (f"    {line}" for line in comparison.changes.code.splitlines())
        yield ""
        yield "</details>"
        yield ""
    for role, result in (("Baseline", comparison.baseline), ("Candidate", comparison.candidate)):
        yield f"{role}: {escape(result.name)} ({escape(result.origin)})  "
    yield ""


def _scores(comparison: Comparison) -> Iterator[str]:
    if comparison.identical or not comparison.values:
        return
    differences = {difference.metric: difference for difference in comparison.differences}
    names = [escape(each.name) for each in (comparison.baseline, comparison.candidate)]
    yield _row(f"{how_compared(comparison)}", *names, "difference", "probability of improvement", "")
    yield _row("---", *["---:"] * 4, "---")
    for metric, values in comparison.values.items():
        difference = differences.get(metric)
        words = [show_change(difference), show_share(difference.improvement)] if difference else ["", ""]
        meaning = escape(describe(difference, comparison)) if difference else ""
        yield _row(
            f"{metric.label} ({metric.statistic_name})", *(show_interval(metric, v) for v in values), *words, meaning
        )
    yield ""


def _changes(title: str, changes: Sequence[Change]) -> Iterator[str]:
    if changes:
        yield _row(title, "baseline", "candidate")
        yield _row("---", "---", "---")
        yield from (_row(*map(escape, change)) for change in changes)
        yield ""


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
