"""The table of results, of a real git and DVC project."""

import csv
import io
import json
import socket
import time

import pytest

from pipeline.log import main
from pipeline.revisions.names import resolve
from pipeline.revisions.retrieval import results_of
from pipeline.tracking import record_missing

pytestmark = pytest.mark.slow


def listed(capsys, *arguments):
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_commits_with_the_same_results_share_a_line(repository, capsys):
    repository.run("git", "tag", "v1", "HEAD~1")
    _, second, first = repository.run("git", "rev-list", "HEAD").split()
    of_newest, of_first = listed(capsys)
    assert of_first["commits"] == [second, first]
    assert (of_first["revision"], of_first["subject"], of_first["names"]) == (first[:7], "Baseline", ["v1"])
    assert of_first["changed"] == {}
    assert of_newest["names"] == ["main", "workspace"]
    assert of_newest["changed"] == {"agent.lr_actor": [0.0001, 0.001]}
    scores = ("solved_share", "return_iqm", "return_iqm_low", "return_iqm_high", "seeds")
    assert [of_newest[name] for name in scores] == [1.0, 95.0, 93.0, 94.5, 3]
    assert (of_newest["best"], of_first["best"]) == (True, False)


def test_results_that_are_not_committed_come_first(repository, capsys):
    repository.set_params(0.01)
    repository.repro()
    workspace, *_ = entries = listed(capsys, "--limit", "2")
    assert len(entries) == 2
    assert (workspace["revision"], workspace["commits"], workspace["date"]) == ("workspace", [], "")
    assert workspace["changed"] == {"agent.lr_actor": [0.001, 0.01]}
    assert workspace["return_iqm"] == 92.0
    # The best may be beyond the limit.
    assert [entry["best"] for entry in entries] == [False, True]
    assert [entry["best"] for entry in listed(capsys, "--limit", "1")] == [False]


def test_a_commit_with_an_invalid_lock_is_skipped(repository, capsys):
    lock = repository.folder / "dvc.lock"
    text = lock.read_text()
    lock.write_text("<<<<<<< ours")
    repository.commit("Half a merge")
    lock.write_text(text)
    fixed = repository.commit("Fix it")
    (entry,) = listed(capsys, "HEAD")
    assert (entry["commits"], entry["changed"]) == ([fixed], {})
    assert len(listed(capsys)) == 2


def test_a_workspace_in_the_middle_of_a_merge_is_left_out(repository, capsys):
    (repository.folder / "dvc.lock").write_text("<<<<<<< ours\nstages: {}\n=======\nstages: {}\n>>>>>>> theirs\n")
    assert main(["--json"]) == 0
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)) == 2
    assert printed.err.startswith("log: left out: workspace: dvc.lock: expected YAML")
    assert printed.err.count("\n") == 1
    assert main(["workspace"]) == 2


def test_named_revisions_are_listed_without_others(repository, capsys):
    (entry,) = listed(capsys, "HEAD~1")
    assert entry["subject"] == "Write about it"
    assert main(["nope"]) == 2
    assert "log: nope: expected" in capsys.readouterr().err


def test_a_result_has_its_run_unless_no_commit_holds_it(repository, monkeypatch, capsys):
    monkeypatch.setattr("pipeline.tracking.recording.add_model", lambda *_: False)
    with results_of(resolve("workspace")) as results:
        ((_, name), *_) = record_missing(results.params, repository.results, results.stages)
    of_newest, of_first = listed(capsys)
    assert of_newest["run_name"] == name
    assert of_newest["run_link"].endswith(f"/runs/{of_newest['run']}?workflowType=machine_learning")
    assert of_first["run"] is None
    repository.run("git", "reset", "--quiet", "--hard", "HEAD~1")
    assert main([of_newest["run"]]) == 2
    assert "expected a run whose result a commit holds" in capsys.readouterr().err


def test_the_table_and_the_csv_show_the_same(repository, capsys):
    newest, _, first = repository.run("git", "rev-list", "--abbrev=7", "--abbrev-commit", "HEAD").split()
    dates = repository.run("git", "log", "--date=format-local:%Y-%m-%d %H:%M", "--format=%cd").splitlines()
    assert main([]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "   revision  seeds  solved  return [interval]     MLflow run",
        f"*  {newest}       3    100%  95.00 [93.00, 94.50]",
        f"     {dates[0]} Raise the step size",
        "     agent.lr_actor: 0.0001 → 0.001",
        "     still the result of main, workspace",
        f"   {first}       3    100%  90.00 [93.00, 94.50]",
        f"     {dates[-1]} Baseline",
    ]
    assert main(["--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["revision"], row["return_iqm"], row["best"]) for row in rows] == [
        (newest, "95.0", "True"),
        (first, "90.0", "False"),
    ]
    assert rows[0]["changed"] == "agent.lr_actor: 0.0001 → 0.001"


def test_a_store_that_does_not_answer_costs_the_links_only(repository, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr("pipeline.reports.history._STORE_SECONDS", 0.2)
        start = time.monotonic()
        assert main([]) == 0
        assert time.monotonic() - start < 5
    output = capsys.readouterr()
    assert "95.00" in output.out
    assert "log: MLflow's runs are left out: no answer within 0.2 s" in output.err


def test_no_results_are_status_1(repository, capsys):
    repository.run("git", "update-ref", "-d", "HEAD")
    repository.run("git", "rm", "-r", "--quiet", "--force", "--cached", ".")
    (repository.folder / "dvc.lock").unlink()
    (repository.results / "train/metrics.json").unlink()
    assert main([]) == 1
    assert "found none; run `dvc repro`" in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_is_a_positive_number(limit, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--limit", limit])
    assert exit_.value.code == 2
    assert "--limit: expected" in capsys.readouterr().err


def test_signatures_that_git_shows_are_ignored(repository, capsys):
    repository.run("git", "config", "log.showSignature", "true")
    repository.run("git", "config", "core.abbrev", "12")
    assert [entry["names"] for entry in listed(capsys)][-1] == []
