"""A comparison on the terminal, at most 100 columns wide."""

import textwrap
from collections.abc import Iterator, Sequence

from ddpg.evaluation.statistics import Interval
from pipeline.reports.changes import Change
from pipeline.reports.comparison import Comparison, Difference, Metric, count_seeds, describe

WIDTH = 100


def lines(comparison: Comparison) -> Iterator[str]:
    """The comparison, line by line."""
    for role, result in (("baseline ", comparison.baseline), ("candidate", comparison.candidate)):
        yield f"{role}  " + _shorten(f"{result.name} ({result.origin})", WIDTH - 11)
    yield from section("Parameters", [*_changes(comparison.changes.parameters)])
    yield from section("Code", comparison.changes.code.splitlines())
    yield from section("Packages", [*_changes(comparison.changes.packages)])
    if not comparison.identical:
        yield from section("Scores", [*_scores(comparison)])
    if comparison.cautions:
        yield ""
    for caution in comparison.cautions:
        yield from _wrapped(f"Note: {caution}")
    yield ""
    yield from _wrapped(comparison.verdict)


def section(title: str, body: Sequence[str]) -> Iterator[str]:
    """A heading and what stands under it."""
    yield ""
    yield title if body else f"{title}: the same"
    yield from (f"  {line.removeprefix(' ')}" for line in body)


def show_interval(metric: Metric, interval: Interval) -> str:
    """A value of a metric with its interval."""
    return f"{metric.show(interval.value)} [{metric.show(interval.low)}, {metric.show(interval.high)}]"


def show_change(difference: Difference) -> str:
    """A difference with its interval, if there is one."""
    metric, change = difference.metric, difference.change
    if min(difference.n_seeds) == 1:
        return metric.show_change(change.value)
    return f"{metric.show_change(change.value)} [{metric.show_change(change.low)}, {metric.show_change(change.high)}]"


def show_share(interval: Interval) -> str:
    """A probability with its interval, in percent."""
    return f"{interval.value:.0%} [{interval.low:.0%}, {interval.high:.0%}]"


def how_compared(comparison: Comparison) -> str:
    """How many seeds there are, and which of them are paired."""
    seeds = count_seeds((len(comparison.baseline.seeds), len(comparison.candidate.seeds)))
    return (
        f"{seeds}, paired: the same seeds from the same start states" if comparison.paired else f"{seeds}, not paired"
    )


def _changes(changes: Sequence[Change]) -> Iterator[str]:
    width = max((len(change.name) for change in changes), default=0)
    for name, baseline, candidate in changes:
        yield f"{name:{width}}  " + _shorten(f"{baseline} -> {candidate}", WIDTH - width - 4)


def _scores(comparison: Comparison) -> Iterator[str]:
    yield from _wrapped(how_compared(comparison))
    names = [_shorten(each.name, 24) for each in (comparison.baseline, comparison.candidate)]
    rows = [["", *names, "difference" if comparison.differences else ""]]
    differences = {difference.metric: difference for difference in comparison.differences}
    for metric, values in comparison.values.items():
        change = show_change(differences[metric]) if metric in differences else ""
        rows.append([metric.label, *(show_interval(metric, value) for value in values), change])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    yield table[0]
    for line, metric in zip(table[1:], comparison.values, strict=True):
        yield line
        if metric in differences:
            yield from _words(differences[metric], comparison)


def _words(difference: Difference, comparison: Comparison) -> Iterator[str]:
    share = show_share(difference.improvement)
    text = f"{describe(difference, comparison)}; probability of improvement {share}"
    yield from textwrap.wrap(text, WIDTH - 6, initial_indent="    ", subsequent_indent="    ")


def _shorten(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _wrapped(text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, WIDTH - 2)
