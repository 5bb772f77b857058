from pipeline.provenance.revision import Revision
from pipeline.reports.changes import Change, changed_values, changes_between, code_changes, versions
from tests.pipeline.reports.made import result

LOCK = """numpy==2.1.0 \\
    --hash=sha256:aa
scipy==1.17.1 ; python_full_version < '3.12' \\
    --hash=sha256:bb
scipy==1.18.1 ; python_full_version >= '3.12' \\
    # via numpy==1.0.0
"""
WORKSPACE = Revision("workspace", None, "workspace")


def test_versions_of_a_lock():
    assert versions(LOCK) == {"numpy": "2.1.0", "scipy": "1.17.1 or 1.18.1"}
    assert versions(None) == {}


def test_values_that_come_and_go_are_changes():
    old, new = {"a": 1, "gone": 2, "same": [1]}, {"a": 1.5, "same": [1], "new": None, "x": False}
    assert changed_values(old, new) == {"a": (1, 1.5), "gone": (2, None), "x": (None, False)}


def test_changes_in_parameters_code_and_packages(repository, tmp_path):
    first = repository.commit("First", agent="a = 1\n", requirements=LOCK)
    second = repository.commit("Second", agent="a = 2\nb = 3\n", requirements=LOCK.replace("2.1.0", "2.2.0"))
    baseline = result(tmp_path, "first", [90] * 5, commit=first)
    candidate = result(tmp_path, "second", [90] * 5, commit=second, agent={"tau_actor": 0.1, "new": None})
    changes = changes_between(baseline, candidate)
    assert changes.parameters == [Change("agent.tau_actor", "0.3", "0.1"), Change("agent.new", "none", "null")]
    assert changes.packages == [Change("numpy", "2.1.0", "2.2.0")]
    assert "agent.py | 3 ++-" in changes.code
    assert "requirements.lock" not in changes.code


def test_the_workspace_is_compared_with_its_uncommitted_changes(repository):
    commit = Revision("main", repository.commit("First", agent="a = 1\n"), "commit")
    assert code_changes(commit, WORKSPACE) == ""
    (repository.folder / "agent.py").write_text("a = 1\nb = 2\nc = 3\n")
    (repository.folder / "new.py").write_text("d = 4\n")
    assert "2 insertions(+)" in code_changes(commit, WORKSPACE)
    assert "2 deletions(-)" in code_changes(WORKSPACE, commit)
    assert "untracked: new.py" in code_changes(commit, WORKSPACE)


def test_the_code_of_a_run_without_a_commit_is_unknown(repository):
    repository.commit("First", agent="a = 1\n")
    run = Revision("f" * 32, None, "run")
    assert "unknown: no commit holds the results" in code_changes(run, WORKSPACE)
