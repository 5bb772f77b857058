import shutil
from dataclasses import replace

import pytest

from pipeline.provenance.retrieval import results_of
from pipeline.provenance.revision import Revision
from pipeline.provenance.revisions import resolve
from pipeline.show import key_figures, main, page_of
from tests.pipeline.small import write_params


@pytest.fixture
def project(laboratory):
    write_params(laboratory.folder)
    return laboratory


def test_writes_a_page_of_the_workspace(project, capsys):
    assert main(["--out", "pages/result.html"]) == 0
    assert capsys.readouterr().out == "pages/result.html\n"
    page = (project.folder / "pages/result.html").read_text()
    assert "DDPG on MountainCarContinuous-v0" in page
    assert "93.91" in page
    assert "100%" in page
    assert page.count("<video") == 2
    assert page.count("data:image/svg+xml;base64,") == 3
    assert "agent.lr_actor" in page
    assert [file.name for file in (project.folder / "pages").iterdir()] == ["result.html"]


def test_opens_the_page_unless_a_file_was_asked_for(project, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert main([]) == 0
    file = capsys.readouterr().out.strip()
    assert [address.removeprefix("file://") for address in opened] == [file]
    assert main(["--out", "result.html"]) == 0
    assert len(opened) == 1


def test_shows_what_there_is_of_an_unfinished_result(project):
    for stage in ("animate", "evaluate"):
        shutil.rmtree(project.results / stage)
    assert main(["--out", "result.html"]) == 0
    page = (project.folder / "result.html").read_text()
    assert "not evaluated yet" in page
    assert "<video" not in page
    assert page.count("data:image/svg+xml;base64,") == 3


def test_refuses_what_is_no_result_and_writes_nothing(project, capsys):
    assert main(["nowhere", "--out", "result.html"]) == 2
    assert "show: nowhere: expected" in capsys.readouterr().err
    shutil.rmtree(project.results)
    assert main(["--out", "result.html"]) == 2
    assert "expected results of the train stage" in capsys.readouterr().err
    assert not (project.folder / "result.html").exists()


@pytest.mark.parametrize("out", [".", "params.yaml/result.html", "params.yaml/a/b/c", "a" * 300, f"{'a' * 300}/b"])
def test_a_file_that_cannot_be_written_is_refused_before_any_work(project, out, monkeypatch, capsys):
    monkeypatch.setattr("pipeline.show.page_of", lambda _: pytest.fail("worked"))
    before = sorted(project.folder.rglob("*"))
    assert main(["--out", out]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("show: ")
    assert printed.err.count("\n") == 1
    assert sorted(project.folder.rglob("*")) == before


def test_what_names_and_values_hold_is_escaped(project, capsys):
    attack = "<script>alert(1)</script>"
    write_params(project.folder, agent={"activation_fn_actor": attack}, environment={"id": attack})
    with results_of(resolve("workspace")) as results:
        page = page_of(replace(results, revision=Revision(attack, "0" * 40, "experiment")))
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert") >= 4


def test_figures_leave_out_what_an_environment_without_threshold_has_not():
    policies = {"return_iqm": -150.0, "return_iqm_low": None, "return_iqm_high": None, "return_worst_seed": -160.0}
    figures = list(key_figures({"best": policies, "final": policies}))
    assert [label for label, *_ in figures] == ["Return, best policies", "Return, final policies", "Worst seed"]
    assert figures[0][1:] == (-150.0, "interquartile mean over seeds")


def test_a_run_of_no_commit_is_not_called_the_workspace(project, monkeypatch):
    with results_of(resolve("workspace")) as results:
        page = page_of(replace(results, revision=Revision("0123abcd", None, "run")))
    assert "MLflow run 0123abcd" in page
    assert "To make it again" not in page
