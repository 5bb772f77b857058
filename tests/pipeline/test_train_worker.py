import pytest

from pipeline.train_worker import SeedTask, _Checkpoints
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
        monkeypatch.setattr("pipeline.train_worker.time", clock)
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
