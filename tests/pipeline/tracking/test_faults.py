"""Trackers that fail."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.tracking import LiveTraining, TrackingError, client, live, record, record_missing
from pipeline.tracking.faults import without_secrets
from tests.pipeline.laboratory import Laboratory, Store
from tests.pipeline.tracking.steps import record_all, train_live, wait_until

pytestmark = pytest.mark.slow

DEAD = "http://127.0.0.1:9"
PASSWORD = "correct-horse"


def test_a_dead_tracker_costs_one_warning_and_little_time(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", DEAD)
    start = time.monotonic()
    train_live(laboratory)
    assert time.monotonic() - start < 5
    output = capfd.readouterr()
    assert output.out == ""
    assert output.err.count("warning: MLflow could not record the training") == 1
    assert "python -m pipeline.sync" in output.err
    record("evaluate", laboratory.params, laboratory.results)
    assert capfd.readouterr().err.count("warning") == 1
    with pytest.raises(TrackingError):
        record_missing(laboratory.params, laboratory.results, ["train"])


@pytest.mark.parametrize(
    "variable",
    [
        "MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_TRACKING_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AZURE_STORAGE_ACCESS_KEY",
        "AZURE_STORAGE_CONNECTION_STRING",
    ],
)
def test_a_secret_of_the_environment_is_masked(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, PASSWORD)
    assert without_secrets(f"403: {PASSWORD} is refused") == "403: *** is refused"


@pytest.mark.usefixtures("store")
def test_a_tracker_that_takes_too_long_is_given_up(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live, "RECORD_SECONDS", 0.5)
    monkeypatch.setattr(live, "REQUEST_SECONDS", 0.5)
    deliver = client.Experiment.add_metrics
    monkeypatch.setattr(client.Experiment, "add_metrics", lambda *args: (time.sleep(0.4), deliver(*args)))
    with LiveTraining(laboratory.params) as tracker:
        start = time.monotonic()
        tracker.finish(laboratory.results)
        assert time.monotonic() - start < 2
    assert capfd.readouterr().err.count("warning") == 1


def test_a_server_with_a_password_dies_in_the_middle(
    laboratory: Laboratory, server: "Server", monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live, "_BATCH_SECONDS", 0.1)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    record_all(laboratory)
    assert capfd.readouterr() == ("", "")
    store = Store(server.store)
    other = laboratory.with_seeds(4, 5)
    with LiveTraining(other.params) as tracker:
        tracker.log_episode(4, next(other.records(4)))
        wait_until(
            lambda: any("train/return" in run.data.metrics for run in store.runs() if run.info.status == "RUNNING")
        )
        server.stop()
        for seed in other.seeds:
            for episode in other.records(seed):
                tracker.log_episode(seed, episode)
        start = time.monotonic()
        tracker.finish(other.results)
        assert time.monotonic() - start < 10
    output = capfd.readouterr()
    assert output.err.count("warning: MLflow") == 1
    assert "127.0.0.1" in output.err
    assert PASSWORD not in output.out + output.err
    kept = [path for path in server.store.parent.rglob("*") if path.is_file()]
    assert {"rollout.mp4", "params.yaml", "mlflow.db"} <= {path.name for path in kept}
    assert not [path for path in kept if PASSWORD.encode() in path.read_bytes()]


class Server:
    """An MLflow server, addressed with a user name and a password, which it ignores."""

    def __init__(self, store: Path) -> None:
        self.store = store
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.uri = f"http://user:{PASSWORD}@127.0.0.1:{port}"
        options = {
            "--backend-store-uri": f"sqlite:///{store}",
            "--artifacts-destination": str(store.parent / "mlartifacts"),
            "--host": "127.0.0.1",
            "--port": str(port),
            "--workers": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *(word for option in options.items() for word in option)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        )

    def stop(self) -> None:
        """Kill the server and its worker."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(self.uri.replace(f"user:{PASSWORD}@", "") + "/health", timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        raise TimeoutError(self.uri)


@pytest.fixture(scope="module", autouse=True)
def starting_server(migrated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It takes seconds to start, and does so while other tests run."""
    server = Server(Path(shutil.copy(migrated_store, tmp_path_factory.mktemp("server"))))
    yield server
    server.stop()


@pytest.fixture
def server(starting_server: Server) -> Server:
    starting_server.wait()
    return starting_server
