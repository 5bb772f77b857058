from contextlib import contextmanager

import pytest

from pipeline.compare import main
from pipeline.errors import RevisionError
from pipeline.provenance.revision import Revision
from tests.pipeline.reports.made import opened

BEST = {
    "baseline": [95.0, 97, 98, 94, 96],
    "noisy": [96.0, 94, 99, 95, 95],
    "worse": [90.0, 92, 92.5, 89.5, 91],
    "HEAD": [95.0, 97, 98, 94, 96],
    "workspace": [95.0, 97, 98, 94, 96],
}


@pytest.fixture(autouse=True)
def revisions(tmp_path, monkeypatch):
    """Stands in for the repository's revisions; returns the names that were opened."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    names = []

    def resolve(name):
        if name not in BEST:
            raise RevisionError(f"{name}: expected a commit, found none")
        return Revision(name, None, "workspace")

    @contextmanager
    def results_of(revision, paths=None):
        names.append(revision.name)
        changes = {"environment": {"id": "Pendulum-v1"}} if revision.name == "noisy" and other_environment else {}
        yield opened(tmp_path / revision.name, revision.name, BEST[revision.name], **changes)

    other_environment = []
    names_and_switch = names, other_environment
    monkeypatch.setattr("pipeline.compare.resolve", resolve)
    monkeypatch.setattr("pipeline.compare.results_of", results_of)
    return names_and_switch


def test_compares_the_workspace_with_head_by_default(revisions, capsys):
    assert main([]) == 0
    assert revisions[0] == ["HEAD", "workspace"]
    assert "identical" in capsys.readouterr().out
    assert main(["baseline"]) == 0
    assert revisions[0][2:] == ["baseline", "workspace"]


def test_compares_each_with_the_first(revisions, capsys):
    assert main(["baseline", "noisy", "worse"]) == 0
    text = capsys.readouterr().out
    assert text.count("baseline   baseline") == 2
    assert "noisy" in text
    assert "worse is worse, with 5 seeds" in text


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["worse", "--fail-on-regression"], 1, "Regression of best_return beyond 0: the whole interval"),
        (["worse", "--fail-on-regression", "best_return:10"], 0, "No regression of best_return beyond 10"),
        (["noisy", "--fail-on-regression"], 0, "does not exclude that it is no worse"),
        (["worse", "--fail-on-regression=best_return:10", "--fail-on-regression=final_return:1"], 1, "final_return"),
        (["worse"], 0, "worse is worse"),
    ],
)
def test_fails_on_a_regression_only(arguments, status, words, capsys):
    assert main(["baseline", *arguments]) == status
    assert words in capsys.readouterr().out


def test_what_cannot_be_compared_is_no_regression(revisions, capsys):
    revisions[1].append(True)
    assert main(["baseline", "noisy", "--fail-on-regression"]) == 0
    assert "the scores cannot be compared" in capsys.readouterr().out


def test_an_unknown_revision_is_refused_before_any_work(revisions, capsys):
    assert main(["baseline", "nothing"]) == 2
    assert revisions[0] == []
    assert "nothing: expected a commit" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["return:1", "best_return:much", "best_return:-1", "best_return:nan", "HEAD"])
def test_a_tolerance_that_is_none_is_refused(text, revisions, capsys):
    with pytest.raises(SystemExit) as exit:
        main(["baseline", "--fail-on-regression", text])
    assert exit.value.code == 2
    assert "expected" in capsys.readouterr().err
    assert revisions[0] == []


def test_writes_a_report(tmp_path, capsys):
    assert main(["baseline", "noisy", "--out", str(tmp_path / "out/report")]) == 0
    assert {"index.html", "compare.md"} <= {path.name for path in (tmp_path / "out/report").iterdir()}
    assert "index.html" in capsys.readouterr().out


@pytest.mark.parametrize("out", ["file", "file/report", "file/a/b", "a" * 300])
def test_a_folder_that_cannot_be_written_is_refused_before_any_work(revisions, out, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["baseline", "noisy", "--out", str(tmp_path / out)]) == 2
    assert revisions[0] == []
    printed = capsys.readouterr()
    assert printed.err.startswith("compare: ")
    assert printed.err.count("\n") == 1


def test_a_folder_with_something_else_is_refused_before_any_work(revisions, tmp_path, capsys):
    (tmp_path / "mine.txt").touch()
    assert main(["baseline", "noisy", "--out", str(tmp_path)]) == 2
    assert revisions[0] == []
    assert "expected a folder that is empty or a former report" in capsys.readouterr().err
