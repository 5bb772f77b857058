"""Names of revisions, and the results they hold, in a real git and DVC project."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from ruamel.yaml import YAML

from pipeline.provenance import revisions
from pipeline.provenance.digests import stage_digest
from pipeline.provenance.revisions import (
    Revision,
    RevisionError,
    commits,
    digests_by_commit,
    digests_of,
    experiments,
    resolve,
    results_of,
)
from pipeline.stages import STAGES
from pipeline.tracking import record_missing
from tests.pipeline.laboratory import Repository, Store

pytestmark = pytest.mark.slow

WORKSPACE = Revision("workspace", None, "workspace")


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.tracking.recording.add_model", lambda *_: False)


def test_commits_have_many_names(repository: Repository) -> None:
    head = repository.run("git", "rev-parse", "HEAD")
    repository.run("git", "tag", "--annotate", "v1", "--message", "x", "HEAD~1")
    assert resolve("HEAD") == Revision("HEAD", head, "commit")
    assert {resolve(name).commit for name in ("main", head, head[:8])} == {head}
    assert resolve("v1").commit == resolve("HEAD~1").commit != head
    assert resolve("workspace") == WORKSPACE


def test_commits_are_listed_from_all_branches_and_tags_the_newest_first(repository: Repository) -> None:
    repository.run("git", "checkout", "--quiet", "-b", "side", "HEAD~1")
    on_side = repository.commit("Aside")
    repository.run("git", "checkout", "--quiet", "main")
    listed = [revision.commit for revision in commits()]
    assert set(listed) == {on_side, *repository.run("git", "rev-list", "main").split()}
    assert listed[-1] == repository.run("git", "rev-parse", "main~2")
    assert [revision.commit for revision in commits(limit=2)] == listed[:2]
    assert experiments() == []


@pytest.mark.parametrize("name", ["nope", "../etc", "--all", "", "0" * 32])
def test_an_unknown_name_is_refused(repository: Repository, name: str) -> None:
    with pytest.raises(RevisionError, match=r"expected .*found none"):
        resolve(name)


def test_a_commit_without_results_is_refused(repository: Repository) -> None:
    repository.run("git", "rm", "--quiet", "dvc.lock")
    repository.commit("Forget")
    with pytest.raises(RevisionError, match="expected a revision with results"):
        resolve("HEAD")
    assert len(commits()) == 3


def test_commits_with_the_same_results_share_digests_and_a_broken_lock_has_none(repository: Repository) -> None:
    (repository.folder / "dvc.lock").write_text("<<<<<<< ours")
    broken = repository.commit("Half a merge")
    digests = list(digests_by_commit(commits()).values())
    assert digests[0] == {}
    assert digests[1] != digests[2] == digests[3]
    with pytest.raises(RevisionError, match=r"dvc\.lock: expected"):
        resolve(broken)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 3000, b"stages: " + b"9" * 5000, b"stages: 3"])
def test_a_damaged_lock_in_the_workspace_is_named_in_one_line(repository: Repository, content: bytes) -> None:
    (repository.folder / "dvc.lock").write_bytes(content)
    with pytest.raises(RevisionError, match=r"\Aworkspace: dvc\.lock: [^\n]*expected [^\n]*\Z"):
        results_of(WORKSPACE).__enter__()


def test_results_restored_from_the_cache_are_those_of_the_workspace(repository: Repository) -> None:
    with results_of(resolve("HEAD")) as copied:
        assert copied.folder != repository.folder
        assert copied.stages == STAGES
        assert copied.params["agent"]["lr_actor"] == 0.001
        for stage in STAGES:
            digest = stage_digest(stage, copied.folder / "results")
            assert digest == stage_digest(stage, repository.results)
            assert digest == digests_of(WORKSPACE)[stage] == digests_of(resolve("HEAD"))[stage]
    assert not copied.folder.exists()


def test_the_workspace_is_not_copied_and_has_the_parameters_of_its_results(repository: Repository) -> None:
    repository.set_params(0.5)
    with results_of(WORKSPACE) as results:
        assert results.folder == repository.folder
        assert results.params["agent"]["lr_actor"] == 0.001
    assert (repository.results / "train").exists()


def test_an_old_commit_has_its_own_results_and_the_users_files_stay(repository: Repository) -> None:
    before = repository.run("git", "status", "--porcelain"), (repository.folder / "params.yaml").read_text()
    with results_of(resolve("HEAD~2")) as results:
        metrics = json.loads((results.folder / "results/evaluate/metrics.json").read_text())
        assert metrics["best"]["return_iqm"] == 90.0
        assert results.params["agent"]["lr_actor"] == 0.0001
    assert (repository.run("git", "status", "--porcelain"), (repository.folder / "params.yaml").read_text()) == before


def test_only_what_was_asked_for_is_copied(repository: Repository) -> None:
    paths = ["results/evaluate/metrics.json", "results/train/seeds/2", "results/nothing"]
    with results_of(resolve("HEAD"), paths) as results:
        files = {path.relative_to(results.folder).as_posix() for path in results.folder.rglob("*") if path.is_file()}
        assert results.stages == STAGES
    assert files == {
        "dvc.lock",
        "dvc.yaml",
        "params.yaml",
        "results/evaluate/metrics.json",
        "results/train/seeds/2/best/config.json",
    }


def test_parameters_that_the_present_model_refuses_are_read(repository: Repository) -> None:
    file = repository.folder / "params.yaml"
    file.write_text(file.read_text().replace("lr_critic:", "lr_kritik:"))
    repository.run("dvc", "commit", "--quiet", "--force")
    repository.commit("Long ago")
    with results_of(resolve("HEAD"), ["results/evaluate"]) as results:
        assert "lr_kritik" in results.params["agent"]
        assert "lr_critic" not in results.params["agent"]


def test_a_commit_that_was_only_trained_has_its_training(repository: Repository) -> None:
    lock = YAML(typ="safe", pure=True).load(repository.folder / "dvc.lock")
    lock["stages"]["evaluate"]["deps"][0]["md5"] = "that of another training"
    YAML(pure=True).dump(lock, repository.folder / "dvc.lock")
    repository.commit("Train again")
    with results_of(resolve("HEAD")) as results:
        assert results.stages == ("train",)
        assert [path.name for path in (results.folder / "results").iterdir()] == ["train"]


def test_data_that_is_nowhere_is_named_and_a_remote_has_it(repository: Repository, tmp_path: Path) -> None:
    repository.run("dvc", "remote", "add", "--quiet", "--default", "store", str(tmp_path / "remote"))
    repository.run("dvc", "push", "--quiet")
    shutil.rmtree(repository.folder / ".dvc/cache")
    with results_of(resolve("HEAD")) as results:
        assert stage_digest("train", results.folder / "results") == digests_of(WORKSPACE)["train"]
    with pytest.raises(RevisionError, match=r"HEAD~1: results/train/seeds.*neither in git nor in DVC's cache"):
        results_of(resolve("HEAD~1")).__enter__()
    with results_of(resolve("HEAD~1"), ["results/evaluate/metrics.json"]) as results:
        assert (results.folder / "results/evaluate/metrics.json").exists()


def test_a_damaged_cache_is_noticed(repository: Repository) -> None:
    for file in (repository.folder / ".dvc/cache/files/md5").rglob("*"):
        if file.is_file() and not file.name.endswith(".dir"):
            file.chmod(0o644)
            file.write_text("damaged")
    with pytest.raises(RevisionError, match="results/train/seeds"):
        results_of(resolve("HEAD")).__enter__()


def test_tables_that_are_not_those_of_the_lock_are_noticed(repository: Repository) -> None:
    (repository.results / "evaluate/episodes.csv").write_text("forged")
    repository.commit("Forge")
    with pytest.raises(RevisionError, match=r"results/evaluate/episodes\.csv: expected what dvc\.lock describes"):
        results_of(resolve("HEAD")).__enter__()


@pytest.mark.parametrize("path", ["/results/../../out", "results/train/seeds/../../../../out"])
def test_no_file_is_written_outside_the_folder(
    repository: Repository, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = SimpleNamespace(find=lambda _: [path], get_file=lambda *_: pytest.fail("copied"), close=lambda: None)
    monkeypatch.setattr("dvc.api.DVCFileSystem", lambda *_, **__: forged)
    with pytest.raises(RevisionError, match="received one that leaves it"):
        results_of(resolve("HEAD")).__enter__()


def test_no_file_is_written_through_a_link(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    paths = ["results/train/seeds/link", "results/train/seeds/link/file"]

    def get_file(source: str, target: str) -> None:
        if source == paths[0]:
            Path(target).symlink_to(outside)
        else:
            Path(target).write_text("forged")

    forged = SimpleNamespace(find=lambda _: paths, get_file=get_file, close=lambda: None)
    monkeypatch.setattr("dvc.api.DVCFileSystem", lambda *_, **__: forged)
    with pytest.raises(RevisionError, match="received one that leaves it"):
        results_of(resolve("HEAD")).__enter__()
    assert list(outside.iterdir()) == []


def record(repository: Repository) -> Store:
    with results_of(WORKSPACE) as results:
        record_missing(results.params, repository.results, results.stages)
    return Store(repository.folder / "mlflow.db")


def test_a_run_is_the_commit_or_the_workspace_that_holds_its_results(repository: Repository) -> None:
    store = record(repository)
    (parent,) = store.parents()
    run = parent.info.run_id
    assert resolve(run) == Revision(run, repository.run("git", "rev-parse", "HEAD"), "run")
    child = store.children(parent)[2].info.run_id
    assert resolve(child).commit == resolve(run).commit
    repository.run("git", "update-ref", "refs/heads/main", "HEAD~1")
    assert resolve(run) == Revision(run, None, "workspace")


def test_a_run_that_no_revision_holds_has_what_mlflow_keeps(repository: Repository) -> None:
    (parent,) = record(repository).parents()
    tables = {path: path.read_bytes() for path in repository.results.rglob("*.csv")}
    repository.run("git", "reset", "--quiet", "--hard", "HEAD~1")
    revision = resolve(parent.info.run_id)
    assert revision == Revision(parent.info.run_id, None, "run")
    with results_of(revision) as results:
        assert results.stages == STAGES
        assert results.params["agent"]["lr_actor"] == 0.001
        assert len(tables) == 3
        for path, content in tables.items():
            assert (results.folder / path.relative_to(repository.folder)).read_bytes() == content
        assert (results.folder / "results/animate/rollout.mp4").read_text() == "rollout.mp4"


@pytest.mark.parametrize(
    "path", ["train/../../../../out", "../../out", "/out", "train//out/../../../../out", "train/../../../../tmp/out"]
)
def test_a_store_that_names_files_outside_is_refused(
    repository: Repository, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    (parent,) = record(repository).parents()
    repository.run("git", "reset", "--quiet", "--hard", "HEAD~1")
    forged = SimpleNamespace(is_dir=False, path=path)
    monkeypatch.setattr(MlflowClient, "list_artifacts", lambda *_: [forged])
    with pytest.raises(RevisionError, match=r"leaves it|is not in the subpath"):
        results_of(resolve(parent.info.run_id)).__enter__()


def test_an_experiment_is_found_by_its_name(repository: Repository) -> None:
    repository.run("dvc", "exp", "run", "--quiet", "--temp", "--name", "high-rate", "-S", "agent.lr_actor=0.01")
    (experiment,) = experiments()
    assert (experiment.name, experiment.kind) == ("high-rate", "experiment")
    assert resolve("high-rate") == experiment
    assert resolve(str(experiment.commit)).kind == "commit"
    assert revisions.parent_of(experiment) == commits()[0]
    with results_of(experiment, ["results/evaluate/metrics.json"]) as results:
        metrics = json.loads((results.folder / "results/evaluate/metrics.json").read_text())
        assert metrics["best"]["return_iqm"] == 92.0
