"""Where stages write and find their files: a stage's folder has its name."""

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    path.write_text(json.dumps(_without_nan(values), indent=2, allow_nan=False) + "\n")


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def read_json(path: Path) -> Any:
    """Reads what `write_json` wrote."""
    return json.loads(path.read_text())
