import os
import signal
import sys

import pytest

from ddpg.finite import NotFiniteError
from pipeline import stage
from pipeline.errors import MissingResultError, StageError
from pipeline.stages import SUMMARIZED
from tests.pipeline.small import write_params


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stage"])
    monkeypatch.setattr(stage, "obstacles", list)
    write_params(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def status(act):
    def train(params):
        act()

    with pytest.raises(SystemExit) as ended:
        stage.run(train, "Trains.")
    return ended.value.code


def missing():
    raise MissingResultError("results/train/seeds: expected from the train stage")


def fail():
    raise StageError("train: seed 7 failed twice", "Traceback: elsewhere\n")


def full_disk():
    raise OSError(28, "No space left on device")


def diverge():
    raise NotFiniteError("an evaluation episode: expected a finite action")


def interrupt():
    raise KeyboardInterrupt


def test_warns_if_results_depend_on_the_machine(project, monkeypatch, capsys):
    monkeypatch.setattr(stage, "obstacles", lambda: ["this is Linux on aarch64"])
    assert status(lambda: None) == 0
    assert capsys.readouterr().err == ("warning: results may differ from another machine's: this is Linux on aarch64\n")


@pytest.mark.parametrize("act", [lambda: None, interrupt])
def test_results_that_may_have_changed_count_as_not_summarized(project, act):
    SUMMARIZED.parent.mkdir(parents=True)
    SUMMARIZED.touch()
    status(act)
    assert not SUMMARIZED.exists()


def test_statuses(project, capsys):
    assert status(lambda: None) == 0
    assert status(missing) == 2
    assert "expected from the train stage" in capsys.readouterr().err
    assert status(fail) == 1
    assert capsys.readouterr().err == "Traceback: elsewhere\ntrain: seed 7 failed twice\n"
    assert status(full_disk) == 1
    assert capsys.readouterr().err == "train: [Errno 28] No space left on device\n"
    assert status(diverge) == 1
    assert capsys.readouterr().err == "train: an evaluation episode: expected a finite action\n"
    assert status(interrupt) == 130
    assert capsys.readouterr().err == "train: interrupted\n"


def test_sigterm_cleans_up(project):
    cleaned = []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            cleaned.append(True)

    assert status(work) == 143
    assert cleaned


def test_help(project, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["stage", "--help"])
    assert status(lambda: None) == 0
    assert "python -m pipeline.train" in capsys.readouterr().out
