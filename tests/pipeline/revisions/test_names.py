"""Names of revisions in a real git and DVC project."""

import json

import pytest

from pipeline.errors import GitError, RevisionError
from pipeline.provenance.revision import WORKSPACE_REVISION, Revision
from pipeline.revisions.names import commits, experiments, parent_of, resolve
from pipeline.revisions.retrieval import results_of
from tests.pipeline.laboratory import Repository
from tests.pipeline.revisions.conftest import record

pytestmark = pytest.mark.slow


def test_commits_have_many_names(repository: Repository) -> None:
    head = repository.run("git", "rev-parse", "HEAD")
    repository.run("git", "tag", "--annotate", "v1", "--message", "x", "HEAD~1")
    assert resolve("HEAD") == Revision("HEAD", head, "commit")
    assert {resolve(name).commit for name in ("main", head, head[:8])} == {head}
    assert resolve("v1").commit == resolve("HEAD~1").commit != head
    assert resolve("workspace") == WORKSPACE_REVISION


def test_commits_of_all_branches_and_tags_are_listed_newest_first(repository: Repository) -> None:
    repository.run("git", "checkout", "--quiet", "-b", "side", "HEAD~1")
    on_side = repository.commit("Aside")
    repository.run("git", "checkout", "--quiet", "main")
    listed = [revision.commit for revision in commits()]
    assert set(listed) == {on_side, *repository.run("git", "rev-list", "main").split()}
    assert listed[-1] == repository.run("git", "rev-parse", "main~2")
    assert [revision.commit for revision in commits(limit=2)] == listed[:2]
    assert experiments() == []


@pytest.mark.parametrize("name", ["nope", "../etc", "--all", "", "0" * 32])
def test_an_unknown_name_is_an_error(repository: Repository, name: str) -> None:
    with pytest.raises(RevisionError, match=r"expected .*found none"):
        resolve(name)


def test_a_commit_without_results_is_an_error(repository: Repository) -> None:
    repository.run("git", "rm", "--quiet", "dvc.lock")
    repository.commit("Forget")
    with pytest.raises(RevisionError, match="expected a revision with results"):
        resolve("HEAD")
    assert len(commits()) == 3


def test_an_experiment_is_found_by_its_name(repository: Repository) -> None:
    repository.run("dvc", "exp", "run", "--quiet", "--temp", "--name", "high-rate", "-S", "agent.lr_actor=0.01")
    (experiment,) = experiments()
    assert (experiment.name, experiment.kind) == ("high-rate", "experiment")
    assert resolve("high-rate") == experiment
    assert resolve(str(experiment.commit)).kind == "commit"
    assert parent_of(experiment) == commits()[0]
    with results_of(experiment, ["results/evaluate/metrics.json"]) as results:
        metrics = json.loads((results.folder / "results/evaluate/metrics.json").read_text())
        assert metrics["best"]["return_iqm"] == 92.0


def test_a_run_resolves_to_the_commit_or_workspace_that_holds_its_results(repository: Repository) -> None:
    store = record(repository)
    (parent,) = store.parents()
    run = parent.info.run_id
    assert resolve(run) == Revision(run, repository.run("git", "rev-parse", "HEAD"), "run")
    child = store.children(parent)[2].info.run_id
    assert resolve(child).commit == resolve(run).commit
    repository.run("git", "update-ref", "refs/heads/main", "HEAD~1")
    assert resolve(run) == Revision(run, None, "workspace")


def test_a_repository_that_git_cannot_read_is_an_error(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    for act in (commits, lambda: resolve("HEAD")):
        with pytest.raises(GitError, match="dubious ownership"):
            act()
