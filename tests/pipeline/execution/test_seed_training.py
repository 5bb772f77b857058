import json
import shutil

import pytest

from pipeline.execution.seed_training import SeedTask, _Checkpoints, train_seed
from pipeline.results import seed_folder
from tests.pipeline.small import params


class Clock:
    """Stands in for the agent too, whose checkpoints take a second."""

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
    def make(every=2, folder=tmp_path, error=None):
        clock, sent = Clock(error), []
        monkeypatch.setattr("pipeline.execution.seed_training.time", clock)
        task = SeedTask(params(train={"checkpoint_every": every}), 7, folder)
        return _Checkpoints(clock, task, sent.append), clock, sent

    return make


def test_checkpoints_take_no_more_than_a_fiftieth_of_the_time(make):
    checkpoints, clock, _ = make()
    assert [checkpoints.are_due_after(episode) for episode in (1, 2, 3, 4)] == [False, True, False, True]
    for episode in range(1, 1001):
        clock.now += 0.4
        if checkpoints.are_due_after(episode):
            checkpoints.save()
    assert clock.n_saved == 8
    assert clock.now == pytest.approx(100 + 400 + 8)


def test_without_folder_or_interval_nothing_is_saved(make):
    assert not make(every=0)[0].are_due_after(10)
    checkpoints, clock, _ = make(folder=None)
    checkpoints.save()
    assert clock.n_saved == 0


def test_a_checkpoint_that_cannot_be_written_is_a_warning(make):
    checkpoints, _, sent = make(error=OSError(28, "No space left on device"))
    checkpoints.save()
    assert sent == ["warning: no checkpoint was written ([Errno 28] No space left on device)"]


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_seed_that_was_complete_is_written_again_without_training(tmp_path, monkeypatch):
    from ddpg.agent import DDPG

    monkeypatch.chdir(tmp_path)
    task, first, second = SeedTask(params(), 7, tmp_path / "checkpoints"), [], []
    train_seed(task, first.append)
    written = contents(tmp_path / "results")
    shutil.rmtree("results")
    seed_folder(7).mkdir(parents=True)
    (seed_folder(7) / ".half.history.npz").touch()  # of a process that was killed
    monkeypatch.delattr(DDPG, "learn")
    train_seed(task, second.append)
    assert contents(tmp_path / "results") == written
    assert second.pop(0) == "taken up after episode 3 of 3, from its checkpoint"
    assert [json.dumps(record) for record, _ in second] == [json.dumps(record) for record, _ in first]
    steps = [[snapshot.step for snapshot in networks.snapshots] for _, networks in first]
    assert [[snapshot.step for snapshot in networks.snapshots] for _, networks in second[:-1]] == steps[:-1]


@pytest.mark.slow
def test_checkpoints_of_another_training_are_named_and_the_seed_starts_from_the_beginning(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train_seed(SeedTask(params(), 8, tmp_path / "checkpoints"), lambda message: None)
    sent = []
    train_seed(SeedTask(params(), 7, tmp_path / "checkpoints"), sent.append)
    texts = [message for message in sent if isinstance(message, str)]
    assert texts[0] == "no checkpoint can be used; it starts from the beginning"
    assert texts[1].startswith("warning: ")
    assert texts[1].endswith("cannot be used: seed: expected 7, received 8")
    assert len(sent) == len(texts) + 3
