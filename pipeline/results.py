"""Where stages write and find their files: a stage's folder has its name."""

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any

import numpy as np

from ddpg.files import DamagedFileError, replacing

if TYPE_CHECKING:
    import pandas as pd

RESULTS = Path("results")
TRAIN = RESULTS / "train"
EVALUATE = RESULTS / "evaluate"
ANIMATE = RESULTS / "animate"

CSV: Any = {"index": False, "float_format": "%.6g", "lineterminator": "\n"}
"""How tables are written: the same values are the same bytes on every system."""


class MissingResultError(Exception):
    """A stage needs what an earlier one has not written."""


def seed_folder(seed: int) -> Path:
    """What the train stage writes of one seed: `best/` and `final/` policies, `history.npz`."""
    return TRAIN / "seeds" / str(seed)


def require(path: Path, stage: str) -> Path:
    """The path, if it exists.

    Raises:
        MissingResultError: It does not; the message names the stage that writes it.
    """
    if not path.exists():
        raise MissingResultError(f"{path}: expected from the {stage} stage, found nothing; run `dvc repro {stage}`")
    return path


def start_afresh(folder: Path) -> None:
    """An empty folder, whatever an earlier run left there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes a document that people and DVC can compare; a number that is none becomes null."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(_without_nan(values), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def read_json(path: Path) -> Any:
    """Reads what `write_json` wrote.

    Raises:
        DamagedFileError: The file holds something else.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path}: expected JSON, received something else ({error})") from None


def median_seed(metrics: Path) -> int:
    """The seed whose pictures are shown, of evaluate's metrics.json.

    Raises:
        DamagedFileError: The file holds no such number.
    """
    document = read_json(metrics)
    seed = document.get("median_seed") if isinstance(document, dict) else None
    if not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise DamagedFileError(f"{metrics}: expected a seed as median_seed, received {shortened(seed)}")
    return seed


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Writes a CSV file: the same values are the same bytes on every system."""
    with replacing(path) as temporary:
        table.to_csv(temporary, **CSV)


def read_table(path: Path, key: Sequence[str], numbers: Sequence[str], optional: Sequence[str] = ()) -> "pd.DataFrame":
    """Reads what `write_table` wrote.

    Args:
        path: The file.
        key: The columns that together name a row: whole numbers, but for a policy's name.
        numbers: Columns of numbers or truth values that it has, among others.
        optional: Columns of numbers that it may have.

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
