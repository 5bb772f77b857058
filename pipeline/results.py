"""Where stages write, and how: tables and documents that are the same bytes on every system."""

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ddpg.files import DamagedFileError, replacing
from pipeline import stages

if TYPE_CHECKING:
    import pandas as pd

RESULTS = stages.RESULTS
TRAIN, EVALUATE, ANIMATE = (stage.folder for stage in stages.STAGES.values())

CSV: Any = {"index": False, "float_format": "%.6g", "lineterminator": "\n"}
"""How tables are written."""


def seed_folder(seed: int) -> Path:
    """The train stage's files of one seed: `best/` and `final/` policies, `history.npz`."""
    return TRAIN / "seeds" / str(seed)


def recreate(folder: Path) -> None:
    """Create an empty folder in place of any earlier one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a document that people and DVC can compare; NaN becomes null.

    Raises:
        ValueError: A value is infinite.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(_without_nan(values), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a CSV file."""
    with replacing(path) as temporary:
        table.to_csv(temporary, **CSV)


def read_table(path: Path, key: Sequence[str], numbers: Sequence[str], optional: Sequence[str] = ()) -> "pd.DataFrame":
    """Read what `write_table` wrote.

    Args:
        path: The file.
        key: Columns that together identify a row: integers, except for `policy`, a name.
        numbers: Required columns of finite numbers, NaN or truth values; there may be others.
        optional: Likewise, but they may be absent.

    Raises:
        DamagedFileError: The file holds something else, or no row.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path)
    except ValueError as error:  # pandas' errors are of this kind
        received = " ".join(str(error).split())
        raise DamagedFileError(f"{path}: expected a table (CSV), received something else ({received})") from None
    for problem in _problems(table, key, numbers, optional):
        raise DamagedFileError(f"{path}: {problem}")
    return table


def _problems(
    table: "pd.DataFrame", key: Sequence[str], numbers: Sequence[str], optional: Sequence[str]
) -> Iterator[str]:
    from pandas.api.types import is_integer_dtype, is_numeric_dtype

    columns = [*key, *numbers]
    missing = [name for name in columns if name not in table]
    if missing or table.empty:
        yield f"expected rows with the columns {', '.join(columns)}, found no {', '.join(missing) or 'row'}"
    for name in key:
        if name != "policy" and not is_integer_dtype(table[name]):
            yield f"expected whole numbers as {name}, received something else"
    for name in (*numbers, *(name for name in optional if name in table)):
        if not is_numeric_dtype(table[name]) or np.isinf(table[name].astype(float)).any():
            yield f"expected finite numbers as {name}, received something else"
    if table.duplicated(key).any():
        yield f"expected one row for each {' and '.join(key)}, received several"
