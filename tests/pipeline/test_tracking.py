"""Recording in a real MLflow store: live, from files, and with a tracker that fails."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.tracking import LiveTraining, TrackingError, live, record, record_missing, tracking_uri
from pipeline.tracking import store as store_module
from tests.pipeline.laboratory import REPOSITORY, Laboratory, Store

DEAD = "http://127.0.0.1:9"
PASSWORD = "correct-horse"


@pytest.fixture(autouse=True)
def keras_policy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small Keras model in place of the saved agent's; most tests do without any, for speed."""
    if "keras_model" in request.fixturenames:
        import ddpg.agent

        model = request.getfixturevalue("keras_model")
        monkeypatch.setattr(ddpg.agent, "load_policy_model", lambda _: model)
    else:
        monkeypatch.setattr(store_module.Store, "_add_model", lambda *_: None)


@pytest.fixture(scope="session")
def keras_model() -> Any:
    import keras

    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="tanh")])


def train_live(laboratory: Laboratory, timings: dict[str, float] | None = None) -> None:
    with LiveTraining(laboratory.params) as tracker:
        for seed in laboratory.seeds:
            for episode in laboratory.records(seed):
                tracker.log_episode(seed, episode)
        tracker.finish(laboratory.results, timings)


def record_all(laboratory: Laboratory) -> None:
    for stage in ("train", "evaluate", "animate"):
        record(stage, laboratory.params, laboratory.results)


def test_live_training_holds_exactly_the_episodes_of_the_file(laboratory: Laboratory, store: Store) -> None:
    train_live(laboratory, {"train_seconds": 12.5})
    (parent,) = store.parents()
    children = store.children(parent)
    assert sorted(children) == [1, 2, 3]
    for seed, child in children.items():
        points = store.points(child)
        assert len(points) == len(set(points))
        assert set(points) == laboratory.recorded_points(seed)
        assert child.info.status == "FINISHED"
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["time/train_seconds"] == 12.5
    assert "backfilled" not in parent.data.tags


def test_episodes_arrive_while_training_runs(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_BATCH_SECONDS", 0.05)
    with LiveTraining(laboratory.params) as tracker:
        tracker.log_episode(2, next(laboratory.records(2)))
        wait_until(lambda: any("train/return" in run.data.metrics for run in store.runs()))
        (parent,) = store.parents()
        assert store.children(parent)[2].data.metrics["train/agent_steps"] == 200
        assert parent.info.status == "RUNNING"


def test_episodes_that_were_not_delivered_come_from_the_file_once(laboratory: Laboratory, store: Store) -> None:
    with LiveTraining(laboratory.params) as tracker:
        tracker.log_episode(1, next(laboratory.records(1)))
        tracker.finish(laboratory.results)
    (parent,) = store.parents()
    for seed, child in store.children(parent).items():
        assert sorted(store.points(child)) == sorted(laboratory.recorded_points(seed))


def test_curves_over_seeds_are_quartiles_by_episode(laboratory: Laboratory, store: Store) -> None:
    record("train", laboratory.params, laboratory.results)
    (parent,) = store.parents()
    curve = {step: value for name, value, step in store.points(parent) if name == "test/return_upper_quartile"}
    of_seeds = [
        {step: value for name, value, step in laboratory.recorded_points(seed) if name == "test/return"}
        for seed in laboratory.seeds
    ]
    assert curve == {step: np.quantile([values[step] for values in of_seeds], 0.75) for step in range(1, 7)}
    assert parent.data.metrics["train/nested/iqm"] == 93.5


def test_stages_join_the_run_of_the_training(laboratory: Laboratory, store: Store) -> None:
    train_live(laboratory)
    (before,) = store.parents()
    assert not any(name.startswith("evaluate.") for name in before.data.params)
    record("evaluate", laboratory.params, laboratory.results, {"evaluate_seconds": 3.0})
    record("animate", laboratory.params, laboratory.results)
    (parent,) = store.parents()
    assert parent.info.run_id == before.info.run_id
    assert parent.data.tags["stages"] == "train, evaluate, animate"
    assert parent.data.metrics["evaluate/best/return_iqm"] == 93.9123
    assert "evaluate/median_seed" not in parent.data.metrics
    assert parent.data.tags["evaluate.median_seed"] == "2"
    assert parent.data.params["evaluate.n_episodes"] == "100"
    assert parent.data.params["agent.hidden_layer_sizes_actor"] == "[16, 32, 16]"
    assert parent.data.params["environment.id"] == "MountainCarContinuous-v0"
    assert parent.data.tags["mlflow.note.content"].startswith(
        "DDPG on **MountainCarContinuous-v0**, seeds 1, 2, 3: the best policies return **93.91** [93.00, 94.50] "
        "(interquartile mean over seeds), 3 of 3 solve the task.\n\n"
    )
    assert f"`python -m pipeline.compare {parent.info.run_id}`" in parent.data.tags["mlflow.note.content"]
    assert store.artifacts(parent) >= {"params.yaml", "train", "evaluate", "videos"}
    assert "videos/rollout.mp4" in store.artifacts(parent, "videos")
    child = store.children(parent)[3]
    assert child.data.metrics["evaluate/best_return"] == 93
    assert child.data.tags["evaluate.diagnosis"] == "solved"
    assert "evaluate/episodes_to_solve" not in child.data.metrics


def test_recording_again_does_nothing(laboratory: Laboratory, store: Store) -> None:
    record_all(laboratory)
    before = [(run.info.run_id, run.data.to_dictionary(), store.points(run)) for run in store.runs()]
    record_all(laboratory)
    assert [(run.info.run_id, run.data.to_dictionary(), store.points(run)) for run in store.runs()] == before


def test_another_evaluation_of_the_same_training_is_a_new_complete_run(laboratory: Laboratory, store: Store) -> None:
    train_live(laboratory)
    record("evaluate", laboratory.params, laboratory.results)
    laboratory.evaluate(iqm=95.0)
    record("evaluate", laboratory.params, laboratory.results)
    newest, oldest = store.parents()
    assert newest.data.tags["backfilled"] == "true"
    assert "backfilled" not in oldest.data.tags
    assert newest.data.metrics["evaluate/best/return_iqm"] == 95.0
    for seed, child in store.children(newest).items():
        episodes = [point for point in store.points(child) if not point[0].startswith("evaluate/")]
        assert sorted(episodes) == sorted(laboratory.recorded_points(seed))
    laboratory.evaluate()
    assert record_missing(laboratory.params, laboratory.results, ["train", "evaluate"]) == []


def test_an_evaluation_with_other_parameters_leaves_an_interrupted_one_alone(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record("train", laboratory.params, laboratory.results)
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "seed_summaries", lambda *_: 1 / 0)
        record("evaluate", laboratory.params, laboratory.results)
    (parent,) = store.parents()
    assert "digest.evaluate" not in parent.data.tags
    params = laboratory.params
    params["evaluate"]["n_episodes"] = 7
    record("evaluate", params, laboratory.results)
    newest, _ = store.parents()
    assert newest.data.params["evaluate.n_episodes"] == "7"
    assert newest.data.tags["stages"] == "train, evaluate"


def test_an_interrupted_recording_is_taken_up(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record("train", laboratory.params, laboratory.results)
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "seed_summaries", lambda *_: 1 / 0)
        record("evaluate", laboratory.params, laboratory.results)
    assert "ZeroDivisionError" in capsys.readouterr().err
    record("evaluate", laboratory.params, laboratory.results)
    (parent,) = store.parents()
    points = store.points(parent)
    assert len(points) == len({(name, step) for name, _, step in points})
    assert parent.data.tags["stages"] == "train, evaluate"
    assert parent.info.status == "FINISHED"


def test_a_half_recorded_evaluation_does_not_leave_its_numbers_to_the_next(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record("train", laboratory.params, laboratory.results)
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "seed_summaries", lambda *_: 1 / 0)
        record("evaluate", laboratory.params, laboratory.results)
    laboratory.evaluate(iqm=50.0)
    record("evaluate", laboratory.params, laboratory.results)
    (parent,) = store.parents()
    assert parent.data.metrics["evaluate/best/return_iqm"] == 50.0


@pytest.mark.parametrize(("error", "status"), [(RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_training_that_ends_by_an_exception_closes_its_runs(
    laboratory: Laboratory, store: Store, error: type[BaseException], status: str
) -> None:
    def train() -> None:
        with LiveTraining(laboratory.params) as tracker:
            tracker.log_episode(1, next(laboratory.records(1)))
            raise error

    with pytest.raises(error):
        train()
    (parent,) = store.parents()
    children = store.children(parent)
    assert [run.info.status for run in (parent, *children.values())] == [status] * 4
    assert children[1].data.metrics["train/agent_steps"] == 200
    assert not any(name.startswith("digest.") for name in parent.data.tags)


def test_the_run_names_its_code_and_experiment(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@b.c"]
    (laboratory.folder / "model.py").write_text("first\n")
    (laboratory.folder / ".gitignore").write_text("mlflow.db\nresults\n")
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    (laboratory.folder / "model.py").write_text("second\n")
    monkeypatch.setenv("DVC_EXP_NAME", "puffy-daks")
    record("train", laboratory.params, laboratory.results)
    (parent,) = store.parents()
    assert parent.info.run_name == parent.data.tags["dvc.experiment"] == "puffy-daks"
    assert parent.data.tags["git.branch"] == "main"
    assert parent.data.tags["git.dirty"] == "true"
    diff = Path(store.client.download_artifacts(parent.info.run_id, "git.diff")).read_text()
    assert "+second" in diff
    assert parent.data.tags["git.commit"][:10] in parent.data.tags["mlflow.note.content"]


def test_the_actor_is_a_registered_model_that_predicts(
    laboratory: Laboratory,
    store: Store,
    keras_model: Any,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    record_all(laboratory)
    record_all(laboratory)
    (version,) = store.client.search_model_versions("name = 'ddpg-MountainCarContinuous-v0'")
    (parent,) = store.parents()
    assert version.run_id == parent.info.run_id
    assert "93.91" in version.description
    newest = store.client.get_model_version_by_alias(version.name, "newest")
    assert newest.version == version.version
    (output,) = parent.outputs.model_outputs
    assert newest.source == store.client.get_logged_model(output.model_id).artifact_location
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri())
    model = mlflow.pyfunc.load_model(f"models:/{version.name}@newest")
    observations = np.array([[0.1, -0.2], [0.3, 0.4]], dtype=np.float32)
    np.testing.assert_allclose(model.predict(observations), keras_model(observations).numpy(), rtol=1e-6)
    assert model.metadata.signature.inputs.input_types() == [np.dtype("float32")]


@pytest.mark.usefixtures("store", "keras_model")
def test_recording_prints_nothing(laboratory: Laboratory, capfd: pytest.CaptureFixture[str]) -> None:
    train_live(laboratory)
    record_all(laboratory)
    assert capfd.readouterr() == ("", "")


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


@pytest.mark.usefixtures("store")
def test_a_tracker_that_takes_too_long_is_given_up(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live, "RECORD_SECONDS", 0.5)
    monkeypatch.setattr(live, "REQUEST_SECONDS", 0.5)
    deliver = store_module.Store.add_metrics
    monkeypatch.setattr(store_module.Store, "add_metrics", lambda *args: (time.sleep(0.4), deliver(*args)))
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


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_three_processes_at_once_on_a_fresh_store_all_record(laboratory: Laboratory) -> None:
    program = (
        "import json, sys; from pathlib import Path; from pipeline.tracking import record_missing\n"
        "assert record_missing(json.loads(sys.argv[1]), Path(sys.argv[2]), ['train'])\n"
    )
    others = [Laboratory(laboratory.folder / str(i), n_episodes=i + 1) for i in range(3)]
    for other in others:
        other.train()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, json.dumps(other.params), str(other.results)],
            cwd=REPOSITORY,
            stderr=subprocess.PIPE,
            text=True,
        )
        for other in others
    ]
    errors = [process.communicate(timeout=100)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], "\n".join(errors)
    store = Store(laboratory.folder / "mlflow.db")
    assert len(store.parents()) == 3
    assert all(len(store.children(parent)) == 3 for parent in store.parents())


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
