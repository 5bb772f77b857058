import hashlib
import json

from pipeline.provenance.revision import Revision
from pipeline.provenance.software import packages_in
from pipeline.reports.changes import Change, changed_values, changes_between, code_changes
from pipeline.reports.comparison import Comparison
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
    assert packages_in(LOCK) == {"numpy": "2.1.0", "scipy": "1.17.1 or 1.18.1"}
    assert packages_in(None) == {}


def test_values_that_come_and_go_are_changes():
    old, new = {"a": 1, "gone": 2, "same": [1]}, {"a": 1.5, "same": [1], "new": None, "x": False}
    assert changed_values(old, new) == {"a": (1, 1.5), "gone": (2, None), "x": (None, False)}


def test_changes_in_parameters_code_and_packages(repository, tmp_path):
    first = repository.commit("First", agent="a = 1\n", requirements=LOCK)
    second = repository.commit("Second", agent="a = 2\nb = 3\n", requirements=LOCK.replace("2.1.0", "2.2.0"))
    baseline = result(tmp_path, "first", [90] * 5, commit=first)
    candidate = result(tmp_path, "second", [90] * 5, commit=second, agent={"tau_actor": 0.1, "new": None})
    changes = changes_between(baseline, candidate)
    assert changes.parameters == [Change("agent.tau_actor", "0.3", "0.1"), Change("agent.new", "–", "null")]
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


def locked(repository, environments="a" * 32, requirements=LOCK):
    """Commits what a training with these inputs leaves."""
    md5 = hashlib.md5(requirements.encode()).hexdigest()
    deps = [{"path": "environments", "md5": environments}, {"path": "requirements.lock", "md5": md5}]
    (repository.folder / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": {"train": {"deps": deps}}}))
    return repository.commit("Train", requirements=requirements)


def test_another_environment_and_other_packages_are_named(repository, tmp_path):
    newer = LOCK.replace("numpy==2.1.0", "numpy==2.2.0")
    commits = locked(repository), locked(repository, environments="b" * 32), locked(repository, requirements=newer)
    first, environment, packages = (result(tmp_path, each[:7], [90] * 5, commit=each) for each in commits)
    assert changes_between(first, environment).environments == [Change("environments/", "a" * 10, "b" * 10)]
    assert changes_between(first, environment).packages == []
    assert changes_between(first, packages)[1:] == ([], "", [Change("numpy", "2.1.0", "2.2.0")])
    cautions = [*Comparison(first, environment).cautions(), *Comparison(first, packages).cautions()]
    assert cautions == [
        "environments/ differs (aaaaaaaaaa and bbbbbbbbbb): the environment itself may be another one.",
        "numpy differs (2.1.0 and 2.2.0), which may change scores too.",
    ]


def test_packages_that_were_locked_after_the_training_are_not_those_of_the_result(repository, tmp_path):
    first = result(tmp_path, "first", [90] * 5, commit=locked(repository))
    (repository.folder / "requirements.lock").write_text("numpy==9.9.9\n")
    edited = result(tmp_path, "workspace", [90] * 5)
    assert changes_between(first, edited).packages == [Change("requirements.lock", "known", "unknown")]
