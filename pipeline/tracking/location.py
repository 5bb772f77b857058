"""Where the MLflow store is, and who may use it at once."""

import os
import re
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from urllib.parse import unquote

from filelock import FileLock

from pipeline.provenance.git import project_root

_FIRST_USE_SECONDS = 120.0


def tracking_uri() -> str:
    """Address of the MLflow store: `MLFLOW_TRACKING_URI` if set, else the project's own."""
    file = str(project_root() / "mlflow.db").replace("%", "%25").replace("?", "%3F")
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{file}"


def guard_first_use(uri: str) -> AbstractContextManager[object]:
    """A lock for opening a sqlite file: processes that create and migrate it at once would break each other."""
    file = sqlite_file(uri)
    return nullcontext() if file is None else _lock(file, ".lock", _FIRST_USE_SECONDS)


def one_recording_at_a_time(seconds: float = -1) -> AbstractContextManager[object]:
    """A lock for finding a result's run, or else recording it: two processes would each record their own.

    Args:
        seconds: How long to wait for another process before `TimeoutError`; negative: without limit.
    """
    return _lock(sqlite_file(tracking_uri()) or project_root() / "mlflow.db", ".recording.lock", seconds)


def nothing_there() -> bool:
    """Whether the store is a file that does not exist yet."""
    file = sqlite_file(tracking_uri())
    return file is not None and not file.exists()


def artifact_location(uri: str) -> str | None:
    """Beside the database; MLflow's default would be the working directory. A server chooses for itself."""
    if re.match("https?://|databricks", uri):
        return None
    file = sqlite_file(uri)
    return ((file.parent if file else project_root()) / "mlartifacts").as_uri()


def _lock(file: Path, suffix: str, seconds: float) -> FileLock:
    file.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(f"{file}{suffix}", timeout=seconds)


def sqlite_file(uri: str) -> Path | None:
    """The file of an address such as `sqlite:///relative.db?timeout=60` or `sqlite:////absolute.db`.

    Parsed as SQLAlchemy does, which knows no fragments: a "#" is part of the path.
    """
    match = re.match(r"sqlite(?:\+\w+)?:///([^?]+)", uri)
    return Path(unquote(match[1])).absolute() if match and match[1] != ":memory:" else None
