"""A tracker that fails: the training is not held up, one warning says so, and what is missing is recorded once."""

import contextlib
import shutil
import sqlite3
import subprocess
import time

import pytest

from pipeline.tracking import LiveTraining, live, record_missing
from tests.faults.proxy import Proxy
from tests.pipeline.laboratory import Store
from tests.pipeline.tracking.steps import save_no_actor, wait_until
from tests.pipeline.tracking.test_faults import server, starting_server  # noqa: F401 (fixtures)
from tests.pipeline.tracking.test_interrupted import KEY, assert_one_complete_run

pytestmark = pytest.mark.slow
STAGES = ["train", "evaluate", "animate"]
WAIT = 2.0
"""Seconds the end waits for a tracker that is slow, and a request at most, here."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(live, "_LEAST_WAIT", WAIT)
    monkeypatch.setattr(live, "REQUEST_SECONDS", WAIT)
    monkeypatch.setattr(live, "_BATCH_SECONDS", 0.2)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setattr("pipeline.tracking.model.save_actor", save_no_actor)


def train(laboratory, begin, *, at_the_start, arrived):
    """A training during which a fault begins; says how long the tracker held it up, and how long its end waited."""
    if at_the_start:
        begin()
    with LiveTraining(laboratory.params, KEY) as tracker:
        episodes = {seed: list(laboratory.records(seed)) for seed in laboratory.seeds}
        if not at_the_start:
            for seed in laboratory.seeds:
                tracker.log_episode(seed, episodes[seed].pop(0))
            wait_until(arrived)
            begin()
        started = time.monotonic()
        for seed in laboratory.seeds:
            for episode in episodes[seed]:
                tracker.log_episode(seed, episode)
        held_up = time.monotonic() - started
        time.sleep(0.5)
        started = time.monotonic()
        tracker.finish(laboratory.results)
        waited = time.monotonic() - started
    return held_up, waited, tracker


def assert_recorded_once(laboratory, store):
    recorded = record_missing(laboratory.params, laboratory.results, STAGES)
    assert {stage for stage, _ in recorded} == set(STAGES)
    assert_one_complete_run(laboratory, store)
    assert record_missing(laboratory.params, laboratory.results, STAGES) == []


def has_points(store):
    return lambda: sum("train/return" in run.data.metrics for run in store.runs()) == 3


@pytest.mark.parametrize(
    ("fault", "at_the_start"),
    [(401, True), (403, False), (500, True), (3.0, True), (3.0, False), (ConnectionError, False)],
    ids=str,
)
def test_a_server_that_fails(laboratory, server, monkeypatch, capfd, fault, at_the_start):  # noqa: F811
    with contextlib.closing(Proxy(server.uri)) as proxy:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.address)
        store = Store(server.store)
        for run in store.runs():
            store.client.delete_run(run.info.run_id)
        before = {path: path.read_bytes() for path in laboratory.results.rglob("*") if path.is_file()}
        held_up, waited, _ = train(
            laboratory, lambda: setattr(proxy, "fault", fault), at_the_start=at_the_start, arrived=has_points(store)
        )
        assert held_up < 0.2
        assert waited < 3 * WAIT
        assert capfd.readouterr().err.count("warning: MLflow") == 1
        assert {path: path.read_bytes() for path in laboratory.results.rglob("*") if path.is_file()} == before

        proxy.fault = None
        if isinstance(fault, float):
            time.sleep(2 * fault)  # what came after its sender gave up would be doubled, had it not arrived before
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        assert_recorded_once(laboratory, store)


def test_a_database_that_another_process_has_locked(laboratory, store, capfd):
    other = sqlite3.connect(store.file, isolation_level=None, check_same_thread=False)
    held_up, waited, tracker = train(
        laboratory, lambda: other.execute("BEGIN EXCLUSIVE"), at_the_start=False, arrived=has_points(store)
    )
    assert held_up < 0.2
    assert waited < 3 * WAIT
    assert capfd.readouterr().err.count("warning: MLflow") == 1
    other.execute("ROLLBACK")
    other.close()
    tracker._thread.join(60)
    assert_recorded_once(laboratory, store)


@pytest.fixture
def small_disk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("disk")
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("expected the right to mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=False)


def test_a_disk_that_is_full_under_the_database(laboratory, migrated_store, small_disk, monkeypatch, capfd):
    store = Store(shutil.copy(migrated_store, small_disk / "mlflow.db"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store.file}")
    filler = small_disk / "filler"

    def fill():
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass

    held_up, waited, tracker = train(laboratory, fill, at_the_start=False, arrived=has_points(store))
    assert held_up < 0.2
    assert waited < 3 * WAIT
    errors = capfd.readouterr().err
    assert errors.count("warning: MLflow") == 1
    assert "full" in errors or "disk" in errors
    filler.unlink()
    tracker._thread.join(60)
    assert_recorded_once(laboratory, store)
