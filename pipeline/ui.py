"""The MLflow UI on the project's store, on this machine only: `python -m pipeline.ui`."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

from pipeline.tracking.faults import without_secrets
from pipeline.tracking.location import tracking_uri


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves the UI until Ctrl-C.

    Returns:
        The server's status; 0 where the store has a server of its own.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.ui", description="Serve the MLflow UI on the project's store, on localhost."
    )
    parser.add_argument("--port", type=int, default=5000, help="port to listen on (default: 5000)")
    port = parser.parse_args(arguments).port
    uri = tracking_uri()
    if uri.startswith("http"):
        print(f"The store has its own server: {without_secrets(uri)}")
        return 0
    print(f"Open http://127.0.0.1:{port}/#/experiments/1/runs (or choose an experiment). Ctrl-C ends the server.")
    # One worker, and no executor of jobs, which this UI never starts.
    # The address is not on the command line, which everybody on the machine can read: it may hold a password.
    environment = os.environ | {
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
