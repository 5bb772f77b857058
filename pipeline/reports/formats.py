"""How reports write numbers, parameter values and columns: the same in text, Markdown and HTML."""

import json
import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

MISSING = "–"
_LARGE = 1_000
"""From here on decimals are noise, and a line of a table would be too long."""


def show_number(value: float | None, digits: int = 2, sign: str = "-") -> str:
    """A number with thousands separators, as in `97.11` and `7,819`; a dash for `None` and NaN.

    Args:
        value: The number.
        digits: Decimals of numbers below 1,000; those between -1 and 1 have one at least.
        sign: "+" to show that of positive numbers too.
    """
    if value is None or math.isnan(value):
        return MISSING
    digits = 0 if abs(value) >= _LARGE else max(digits, int(0 < abs(value) < 1))
    return f"{value:{sign},.{digits}f}".replace("inf", "∞")


def show_interval(
    value: float | None, low: float | None, high: float | None, show: Callable[[float | None], str] = show_number
) -> str:
    """A value with its interval, as in `97.11 [95.22, 98.21]`, or alone if it has none."""
    return show(value) if low is None or high is None else f"{show(value)} [{show(low)}, {show(high)}]"


def show_percent(share: float | None) -> str:
    """A share in percent, without decimals."""
    return MISSING if share is None else f"{share:.0%}"


def show_level(level: float) -> str:
    """A confidence level in percent, with as many decimals as it has: `95%`, `99.5%`."""
    return f"{100 * level:g}%"


def show_value(value: Any) -> str:
    """A parameter's value: texts as they are, others as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def show_change(old: str, new: str) -> str:
    """A changed value."""
    return f"{old} → {new}"


def align(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Lines with aligned columns.

    Args:
        rows: Cells of each line.
        right: Indices of the columns aligned to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = (
        [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    )
    return ["  ".join(row).rstrip() for row in cells]
