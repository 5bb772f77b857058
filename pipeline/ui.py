"""The MLflow UI on the project's store, on this machine only: `python -m pipeline.ui`."""

import argparse
import os
import sys
from collections.abc import Sequence

from pipeline.errors import USER_ERRORS, report
from pipeline.revisions.holders import tag_holders
from pipeline.tracking import TrackingError, recorded_runs
from pipeline.tracking.faults import without_secrets
from pipeline.tracking.location import tracking_uri
from pipeline.tracking.view import CLASSIC, VIEW


def main(arguments: Sequence[str] | None = None) -> None:
    """Turn this process into the UI's server, until Ctrl-C; print its address if the store has its own server."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.ui", description="Serve the MLflow UI on the project's store, on localhost."
    )
    parser.add_argument("--port", type=_port, default=5000, help="port to listen on (default: 5000)")
    port = parser.parse_args(arguments).port
    uri = tracking_uri()
    if uri.startswith("http"):
        print(f"The store has its own server: {without_secrets(uri)}")
        return
    try:
        list(tag_holders(recorded_runs()))  # with the commits that hold them by now; this also follows a moved store
    except (*USER_ERRORS, TrackingError) as error:
        report("ui", f"the runs' commits may be out of date: {error}", 0)
    page = f"http://127.0.0.1:{port}/#/experiments/1/runs?{CLASSIC}&viewStateShareKey={VIEW}"
    print(f"Open {page} (or choose an experiment). Ctrl-C ends the server.", flush=True)
    # One worker, and no job executor: this UI starts no jobs.
    # The store's address is not on the command line, which every user can read: it may hold a password.
    environment = os.environ | {
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--uvicorn-opts", "--log-level warning"]
    # Replaces this process, so that a signal reaches the server, which ends its worker.
    os.execve(sys.executable, command, environment)


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, received {text!r}")
    return int(text)


if __name__ == "__main__":
    main()
