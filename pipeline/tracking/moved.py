"""A store whose project was copied or moved: MLflow keeps absolute addresses of files in its database.

Unnoticed, a copy would read and write the files of the original.
"""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline.tracking.location import artifact_location, sqlite_file, tracking_uri

_ADDRESSES = (
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("experiments", "artifact_location"),
)
"""Tables and columns, as of MLflow 3.17.2."""
_SECONDS = 10.0


def follow_move() -> None:
    """Make the addresses in a sqlite store, which lies beside its files, name the folder that it lies in now.

    Raises:
        sqlite3.Error: The file is no database, or cannot be written.
    """
    file, here = sqlite_file(tracking_uri()), artifact_location(tracking_uri())
    if file is None or here is None or not file.exists():
        return
    with closing(sqlite3.connect(file, timeout=_SECONDS)) as database, database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone():
            return
        found = database.execute(
            "SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location LIKE ?", ("file:%/mlartifacts",)
        )
        for there in [location for (location,) in found.fetchall() if not _is_same(location, here)]:
            for table, column in _ADDRESSES:
                database.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                    (here, len(there) + 1, len(there), there),
                )
            print(
                f"MLflow's store was moved or copied from {_folder(there).parent}: its files are now those here",
                file=sys.stderr,
            )


def _is_same(there: str, here: str) -> bool:
    """Whether two addresses are of one folder, which may have several names."""
    return there == here or (
        _folder(there).exists() and _folder(here).exists() and _folder(there).samefile(_folder(here))
    )


def _folder(address: str) -> Path:
    return Path(unquote(urlsplit(address).path))
