import os
import signal
import sys

import pytest

from pipeline import stage
from pipeline.results import MissingResultError
from tests.pipeline.small import write_params


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stage"])
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


def interrupt():
    raise KeyboardInterrupt


def test_statuses(project, capsys):
    assert status(lambda: None) == 0
    assert status(missing) == 2
    assert "expected from the train stage" in capsys.readouterr().err
    assert status(interrupt) == 130
    assert capsys.readouterr().err == "train: interrupted\n"


def test_a_process_that_is_ended_cleans_up(project):
    cleaned = []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            cleaned.append(True)

    assert status(work) == 143
    assert cleaned


def test_helps(project, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["stage", "--help"])
    assert status(lambda: None) == 0
    assert "python -m pipeline.train" in capsys.readouterr().out
