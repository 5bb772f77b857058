from contextlib import contextmanager

import pytest

from pipeline.compare import main
from pipeline.errors import RevisionError
from pipeline.provenance.revision import Revision
from tests.pipeline.reports.made import opened

CLOSE = [95.0, 97, 98, 94, 96]
BEST = {"baseline": CLOSE, "noisy": [96.0, 94, 99, 95, 95], "worse": [90.0, 92, 92.5, 89.5, 91]}


@pytest.fixture(autouse=True)
def names_opened(tmp_path, monkeypatch):
    """Replaces the repository's revisions; holds the names that were opened."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    names = []

    def resolve(name):
        if name not in (*BEST, "HEAD", "workspace"):
            raise RevisionError(f"{name}: expected a commit, found none")
        return Revision(name, None, "workspace")

    @contextmanager
    def results_of(revision, paths=None):
        names.append(revision.name)
        yield opened(tmp_path / revision.name, revision.name, BEST.get(revision.name, CLOSE))

    monkeypatch.setattr("pipeline.compare.resolve", resolve)
    monkeypatch.setattr("pipeline.compare.results_of", results_of)
    monkeypatch.setattr("pipeline.compare.results_or_tables_of", lambda revision, note: results_of(revision))
    return names


@pytest.mark.parametrize(
    ("arguments", "names"), [([], ["HEAD", "workspace"]), (["baseline"], ["baseline", "workspace"])]
)
def test_compares_the_workspace_by_default(arguments, names, names_opened, capsys):
    assert main(arguments) == 0
    assert names_opened == names
    assert "identical" in capsys.readouterr().out


def test_compares_each_with_the_first(capsys):
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
        (["worse", "--fail-on-regression=best_return:10", "--fail-on-regression=final_return:1"], 1, "final_return"),
        (["worse"], 0, "worse is worse"),
    ],
)
def test_fails_on_a_regression_only(arguments, status, words, capsys):
    assert main(["baseline", *arguments]) == status
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("text", ["return:1", "best_return:much", "best_return:-1", "best_return:nan", "HEAD"])
def test_an_invalid_tolerance_is_an_error(text, names_opened, capsys):
    with pytest.raises(SystemExit) as exit:
        main(["baseline", "--fail-on-regression", text])
    assert exit.value.code == 2
    assert "expected" in capsys.readouterr().err
    assert names_opened == []


def test_writes_a_report(tmp_path, capsys):
    assert main(["baseline", "noisy", "--out", str(tmp_path / "out/report")]) == 0
    assert {"index.html", "compare.md"} <= {path.name for path in (tmp_path / "out/report").iterdir()}
    assert "index.html" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "nothing: expected a commit"),
        (["--out", "file"], "expected a folder"),
        (["--out", "file/a/b"], ""),
        (["--out", "a" * 300], ""),
        (["--out", "."], "expected an empty folder or an earlier report"),
    ],
)
def test_unknown_revisions_and_unwritable_folders_are_errors_before_any_work(
    arguments, words, names_opened, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main(["baseline", *arguments]) == 2
    assert names_opened == []
    printed = capsys.readouterr()
    assert printed.err.startswith("compare: ")
    assert words in printed.err
    assert printed.err.count("\n") == 1
