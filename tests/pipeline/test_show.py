import pytest

from pipeline.compare import main as compare
from pipeline.show import main
from tests.pipeline.small import write_params


@pytest.fixture
def project(laboratory):
    write_params(laboratory.folder)
    return laboratory


def test_writes_a_page_of_the_workspace_and_opens_it_unless_a_file_was_given(project, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert main(["--out", "pages/result.html"]) == 0
    assert capsys.readouterr().out == "pages/result.html\n"
    assert "93.91" in (project.folder / "pages/result.html").read_text()
    assert [file.name for file in (project.folder / "pages").iterdir()] == ["result.html"]
    assert opened == []
    assert main([]) == 0
    assert opened == [f"file://{capsys.readouterr().out.strip()}"]


def test_an_unknown_revision_is_an_error_and_nothing_is_written(project, capsys):
    assert main(["nowhere", "--out", "result.html"]) == 2
    assert "show: nowhere: expected" in capsys.readouterr().err
    assert not (project.folder / "result.html").exists()


def test_a_fresh_clone_shows_and_compares_the_tables_that_git_has(repository, tmp_path, monkeypatch, capsys):
    clone = tmp_path / "clone"
    repository.run("git", "clone", "--quiet", ".", str(clone))
    monkeypatch.setenv("DVC_ROOT", str(clone))
    monkeypatch.chdir(clone)
    for names in ([], ["HEAD"]):
        assert main([*names, "--out", "result.html"]) == 0
        printed = capsys.readouterr()
        assert "results of the train stage" in printed.err or "nor in DVC's cache" in printed.err
        assert "The page shows what git has of HEAD: numbers and curves, no films." in printed.err
        page = (clone / "result.html").read_text()
        assert "95.00" in page
        assert "<video" not in page
    assert compare(["HEAD~2", "HEAD", "--out", "report"]) == 0
    printed = capsys.readouterr()
    assert printed.err.count("The page shows what git has of HEAD") == 2
    page = (clone / "report/index.html").read_text()
    assert "agent.lr_actor" in page
    assert "<video" not in page


@pytest.mark.parametrize("out", [".", "params.yaml/result.html", "params.yaml/a/b/c", "a" * 300, f"{'a' * 300}/b"])
def test_a_file_that_cannot_be_written_is_an_error_before_any_work(project, out, monkeypatch, capsys):
    monkeypatch.setattr("pipeline.show.page_of", lambda _: pytest.fail("worked"))
    before = sorted(project.folder.rglob("*"))
    assert main(["--out", out]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("show: ")
    assert printed.err.count("\n") == 1
    assert sorted(project.folder.rglob("*")) == before
