import json

import numpy as np
import pytest

from ddpg.history import NetworkWeights, Snapshot, TrainingHistory
from pipeline.execution import seed_training
from pipeline.execution.inputs import inputs_of
from pipeline.execution.seed_store import checkpoint_directory
from pipeline.execution.seed_training import SeedTask, _Checkpoints, networks_after, train_seed
from pipeline.results import seed_folder
from tests.pipeline.small import params


class Clock:
    """Takes the place of `time` and of the agent, whose checkpoints take a second."""

    def __init__(self, error=None):
        self.now, self.n_saved, self.error = 100.0, 0, error

    def monotonic(self):
        return self.now

    def save_checkpoint(self, path):
        self.now += 1
        self.n_saved += 1
        if self.error:
            raise self.error


@pytest.fixture
def make(tmp_path, monkeypatch):
    def make(every=2, directory=tmp_path, error=None):
        clock, sent = Clock(error), []
        monkeypatch.setattr("pipeline.execution.seed_training.time", clock)
        task = SeedTask(params(train={"checkpoint_every": every}), 7, directory)
        return _Checkpoints(clock, task, sent.append), clock, sent

    return make


def test_checkpoints_take_at_most_two_percent_of_the_time(make):
    checkpoints, clock, _ = make()
    assert [checkpoints.are_due_after(episode) for episode in (1, 2, 3, 4)] == [False, True, False, True]
    for episode in range(1, 1001):
        clock.now += 0.4
        if checkpoints.are_due_after(episode):
            checkpoints.save()
    assert clock.n_saved == 8
    assert clock.now == pytest.approx(100 + 400 + 8)


@pytest.mark.parametrize("without", [{"every": 0}, {"directory": None}])
def test_without_a_directory_or_an_interval_no_checkpoint_is_due(make, without):
    assert not make(**without)[0].are_due_after(10)


def test_a_checkpoint_that_cannot_be_written_is_a_warning(make):
    checkpoints, _, sent = make(error=OSError(28, "No space left on device"))
    checkpoints.save()
    assert sent == ["warning: no checkpoint was written ([Errno 28] No space left on device)"]


def test_what_is_sent_after_an_episode_does_not_grow_with_the_training():
    plane = np.zeros((1, 2), np.float32)
    history = TrainingHistory(("x",), ("a",), np.zeros(1), np.ones(1))
    for step in range(10, 1001, 10):
        history.snapshots.append(Snapshot(step, step // 100, plane, plane, plane, plane[..., None], plane[..., None]))
        history.weights.append(NetworkWeights(step, np.zeros(50, np.float32)))
    sent = [networks_after(history, agent_steps) for agent_steps in (5, 15, 995, 2000)]
    assert [[snapshot.step for snapshot in networks.snapshots] for networks in sent] == [[], [10], [990], [1000]]
    assert not any(networks.weights or networks.training_episodes for networks in sent)
    assert len(history.weights) == 100


@pytest.mark.slow
def test_a_seed_resumes_after_its_last_checkpoint_and_sends_and_writes_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    task, whole, resumed = SeedTask(params(train={"checkpoint_every": 2}), 7, tmp_path / "directory"), [], []
    train_seed(task._replace(directory=None), whole.append)
    written = contents(seed_folder(7))

    def interrupt(message):
        if message[0]["episode"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_seed(task, interrupt)
    (seed_folder(7) / ".half.history.npz").touch()  # of a process that was killed
    train_seed(task, resumed.append)
    assert resumed.pop(0) == "resumed from its checkpoint after episode 2 of 3"
    assert [json.dumps(record) for record, _ in resumed] == [json.dumps(record) for record, _ in whole]
    steps = [[[snapshot.step for snapshot in networks.snapshots] for _, networks in sent] for sent in (resumed, whole)]
    assert steps[0] == steps[1]
    assert contents(seed_folder(7)) == written


@pytest.fixture
def editable(tmp_path, monkeypatch):
    """A task that depends on a file, and the file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(seed_training, "_outdated", set())
    code = tmp_path / "code.py"
    code.write_text("old")
    small = params(train={"checkpoint_every": 1})
    inputs = inputs_of(small)._replace(files={"code": code})
    directory = tmp_path / inputs.key() / "7"
    directory.mkdir(parents=True)
    return SeedTask(small, 7, directory, inputs), code


@pytest.mark.slow
@pytest.mark.parametrize("edit_after", [0, 1, 2, 3])
def test_nothing_is_stored_under_the_key_of_code_that_was_edited_meanwhile(editable, edit_after):
    (task, code), texts = editable, []

    def receive(message):
        if isinstance(message, str):
            texts.append(message)
        elif message[0]["episode"] == edit_after:
            code.write_text("edited")

    if edit_after == 0:
        code.write_text("edited")
    train_seed(task, receive)
    assert texts == [
        "warning: the code or a package changed meanwhile; no more checkpoints are written and nothing is stored"
    ]
    assert not list(task.directory.glob("trained-*"))
    assert (seed_folder(7) / "history.npz").exists()


@pytest.mark.slow
def test_a_process_that_may_have_loaded_edited_code_stores_nothing_even_after_the_edit_is_undone(editable):
    task, code = editable
    code.unlink()
    train_seed(task, lambda _: None)
    code.write_text("old")
    train_seed(task, lambda _: None)
    assert not list(task.directory.iterdir())


@pytest.mark.slow
def test_a_seed_whose_process_died_after_it_was_stored_is_not_trained_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    task, first, again = SeedTask(params(), 7, tmp_path / "directory"), [], []
    train_seed(task, first.append)
    written = contents(seed_folder(7))
    monkeypatch.setattr(seed_training, "_agent", None)
    train_seed(task, again.append)
    assert contents(seed_folder(7)) == written
    assert [json.dumps(record) for record, _ in again] == [json.dumps(record) for record, _ in first]
    assert [len(networks.snapshots) for _, networks in again] == [len(networks.snapshots) for _, networks in first]


@pytest.mark.slow
def test_a_seed_whose_results_cannot_be_stored_is_still_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    sent = []
    train_seed(SeedTask(params(train={"checkpoint_every": 0}), 7, tmp_path / "file"), sent.append)
    assert sent[-1].startswith("warning: its results were not stored for reuse (")
    assert (seed_folder(7) / "history.npz").exists()


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_checkpoints_of_another_training_are_named_and_the_seed_starts_from_scratch(tmp_path, monkeypatch):
    from ddpg.agent import DDPG
    from ddpg.environments.interface import make

    monkeypatch.chdir(tmp_path)
    task, sent = SeedTask(params(), 7, tmp_path / "directory"), []
    DDPG(make("MountainCarContinuous-v0", {}), task.params.agent, seed=8).save_checkpoint(
        checkpoint_directory(task.directory)
    )
    train_seed(task, sent.append)
    texts = [message for message in sent if isinstance(message, str)]
    assert texts[0] == "no usable checkpoint; training starts from scratch"
    assert texts[1].startswith("warning: ")
    assert texts[1].endswith("cannot be used: seed: expected 7, received 8")
    assert len(sent) == len(texts) + 3
