import json

import pytest

from pipeline.execution.seed_store import checkpoint_directory
from pipeline.execution.seed_training import SeedTask, _Checkpoints, train_seed
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
