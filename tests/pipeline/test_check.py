import sys

import pytest

from pipeline import stage
from pipeline.check import PASSED, check
from tests.pipeline.small import write_params


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["check"])
    write_params(tmp_path)
    return tmp_path


def status():
    with pytest.raises(SystemExit) as ended:
        stage.run(check, "Checks.")
    return ended.value.code


def test_valid_parameters_pass_and_what_it_writes_makes_nothing_out_of_date(project):
    assert status() == 0
    before = PASSED.read_bytes()
    write_params(project, agent={"tau_actor": 0.1})
    assert status() == 0
    assert PASSED.read_bytes() == before


def test_invalid_parameters_do_not_pass(project, capsys):
    write_params(project, agent={"tau_actor": "abc"})
    assert status() == 2
    assert "agent.tau_actor: expected a number in (0, 1], received 'abc'" in capsys.readouterr().err
    assert not PASSED.exists()
