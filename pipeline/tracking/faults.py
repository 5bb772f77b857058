"""What a failing tracker may cost: a bounded time and a clear message without credentials."""

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from pipeline.tracking.location import tracking_uri

REQUEST_SECONDS = 10
PATIENT_REQUEST_SECONDS = 60
"""For commands that wait for nothing but the tracker."""
RECORD_SECONDS = 60.0
_SECRETS = (
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
)
"""Variables that give MLflow the credentials of its server and artifact stores; Google's names a file."""


class TrackingError(RuntimeError):
    """The MLflow store could not be read or written; the message holds no credentials."""


class Patience:
    """How long the tracker may still take; without a limit at first."""

    def __init__(self) -> None:
        self._deadline = float("inf")

    def end_in(self, seconds: float) -> None:
        """Set the limit."""
        self._deadline = time.monotonic() + seconds

    def check(self) -> None:
        """Raise `TimeoutError` once the limit is over, so that no further request begins."""
        if time.monotonic() > self._deadline:
            raise TimeoutError("the tracker is too slow, gave up")


@contextmanager
def as_tracking_errors() -> Iterator[None]:
    """Raise whatever MLflow raises as a `TrackingError`."""
    try:
        yield
    except Exception as error:
        raise TrackingError(reason(error)) from None


@contextmanager
def costs_a_warning(what: str) -> Iterator[None]:
    """Turn any error into a warning on stderr that names what MLflow lacks."""
    try:
        yield
    except Exception as error:
        warn(what, error)


def warn(what: str, error: Exception) -> None:
    """Print on stderr what MLflow did not record, why, and how to add it."""
    print(
        f"warning: MLflow could not record {what}: {reason(error)}\n"
        "  The result does not depend on it. Once its files are complete, `python -m pipeline.sync` records "
        "what is missing.",
        file=sys.stderr,
    )


def reason(error: Exception) -> str:
    """An error in one line, without the credentials that addresses may hold."""
    kind = "" if isinstance(error, TrackingError) else f"{type(error).__name__}: "
    return without_secrets(f"{kind}{error}".splitlines()[0])[:400]


def without_secrets(text: str) -> str:
    """A text without the credentials in the tracker's address and in the environment."""
    address, query = tracking_uri().partition("://")[2].rpartition("@")[0], tracking_uri().partition("?")[2]
    password = unquote(address.partition(":")[2])
    for secret in filter(None, (query, address, password, *map(os.environ.get, _SECRETS))):
        text = text.replace(secret, "***")
    return re.sub(r"://[^/\s@]+@", "://***@", text)
