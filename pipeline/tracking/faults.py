"""What a tracker that fails may cost: a bounded time and a clear message, which holds no credentials."""

import os
import re
import sys
import time
from urllib.parse import unquote

from pipeline.tracking.location import tracking_uri

REQUEST_SECONDS = 10
PATIENT_REQUEST_SECONDS = 60
"""Where nothing but the tracker is waited for."""
RECORD_SECONDS = 60.0
_SECRETS = (
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
)
"""Variables by which MLflow is given secrets of its server and of stores for artifacts; Google's names a file."""


class TrackingError(RuntimeError):
    """The MLflow store could not be read or written; the message holds no credentials."""


class Patience:
    """How long the tracker may still take."""

    def __init__(self) -> None:
        """Start without a limit."""
        self._deadline = float("inf")

    def end_in(self, seconds: float) -> None:
        """Set the limit."""
        self._deadline = time.monotonic() + seconds

    def check(self) -> None:
        """Raise once the limit is over, so that no further request begins."""
        if time.monotonic() > self._deadline:
            raise TimeoutError("the tracker is too slow, gave up")


def warn(what: str, error: Exception) -> None:
    """Say on stderr what MLflow did not record, why, and how it gets there."""
    print(
        f"warning: MLflow could not record {what}: {reason(error)}\n"
        "  The result does not depend on it. Once its files are complete, `python -m pipeline.sync` records "
        "what is missing.",
        file=sys.stderr,
    )


def reason(error: Exception) -> str:
    """An error in one line, without the credentials that addresses may hold."""
    return without_secrets(f"{type(error).__name__}: {error}".splitlines()[0])[:400]


def without_secrets(text: str) -> str:
    """A text without credentials of the tracker and its artifacts, which its address or the environment may hold."""
    address, query = tracking_uri().partition("://")[2].rpartition("@")[0], tracking_uri().partition("?")[2]
    password = unquote(address.partition(":")[2])
    for secret in filter(None, (query, address, password, *map(os.environ.get, _SECRETS))):
        text = text.replace(secret, "***")
    return re.sub(r"://[^/\s@]+@", "://***@", text)
