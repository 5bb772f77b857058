"""The command that makes the store complete from the result files."""

import shutil

import pytest

from pipeline.sync import main
from pipeline.tracking import record
from pipeline.tracking import store as store_module
from tests.pipeline.laboratory import REPOSITORY, Laboratory, Store


@pytest.fixture(autouse=True)
def project(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(REPOSITORY / "params.yaml", laboratory.folder)
    monkeypatch.setattr(store_module.Store, "_add_model", lambda *_: None)


def test_the_first_call_records_all_stages_and_the_second_none(
    laboratory: Laboratory, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    (parent,) = store.parents()
    name = parent.info.run_name
    assert capsys.readouterr().out == f"workspace: train, evaluate, animate recorded in run {name}\n"
    assert parent.data.tags["stages"] == "train, evaluate, animate"
    assert main([]) == 0
    assert capsys.readouterr().out == "nothing was missing: 1 revision, 1 result\n"
    assert len(store.runs()) == 1 + len(laboratory.seeds)


def test_only_what_is_missing_is_recorded(
    laboratory: Laboratory, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    record("train", laboratory.params, laboratory.results)
    (parent,) = store.parents()
    shutil.rmtree(laboratory.results / "animate")
    assert main([]) == 0
    assert capsys.readouterr().out == f"workspace: evaluate recorded in run {parent.info.run_name}\n"


def test_edited_parameters_do_not_become_those_of_the_results(laboratory: Laboratory, store: Store) -> None:
    laboratory.write_lock(**{"agent.lr_actor": 0.5, "seeds": [1, 2, 3]})
    assert main([]) == 0
    (parent,) = store.parents()
    assert parent.data.params["agent.lr_actor"] == "0.5"
    assert parent.data.params["seeds"] == "[1, 2, 3]"


def test_without_results_it_says_so(laboratory: Laboratory, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(laboratory.results)
    assert main([]) == 1
    assert "expected the results of at least the stage train" in capsys.readouterr().err


def test_a_store_out_of_reach_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:correct-horse@127.0.0.1:9")
    assert main([]) == 1
    error = capsys.readouterr().err
    assert error.startswith("sync: ")
    assert "127.0.0.1" in error
    assert "correct-horse" not in error


def test_refused_parameters_are_named(laboratory: Laboratory, capsys: pytest.CaptureFixture[str]) -> None:
    file = laboratory.folder / "params.yaml"
    file.write_text(file.read_text().replace("lr_actor:", "lr_aktor:"))
    assert main([]) == 1
    assert "lr_aktor" in capsys.readouterr().err
