"""Results of revisions as files, in a real git and DVC project."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from ruamel.yaml import YAML

from pipeline.errors import RevisionError
from pipeline.provenance.digests import stage_digest
from pipeline.provenance.revision import WORKSPACE_REVISION, Revision
from pipeline.revisions.digests import digests_of
from pipeline.revisions.names import commits, resolve
from pipeline.revisions.retrieval import results_of
from pipeline.stages import STAGES
from tests.pipeline.laboratory import Repository
from tests.pipeline.revisions.conftest import record

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 3000, b"stages: " + b"9" * 5000, b"stages: 3"])
def test_an_invalid_lock_in_the_workspace_is_reported_in_one_line(repository: Repository, content: bytes) -> None:
    (repository.folder / "dvc.lock").write_bytes(content)
    with pytest.raises(RevisionError, match=r"\Aworkspace: dvc\.lock: [^\n]*expected [^\n]*\Z"):
        results_of(WORKSPACE_REVISION).__enter__()


def test_copied_results_equal_those_of_the_workspace(repository: Repository) -> None:
    with results_of(resolve("HEAD")) as copied:
        assert copied.folder != repository.folder
        assert copied.stages == tuple(STAGES)
        assert copied.params["agent"]["lr_actor"] == 0.001
        for stage in STAGES:
            digest = stage_digest(stage, copied.folder / "results")
            assert digest == stage_digest(stage, repository.results)
            assert digest == digests_of(WORKSPACE_REVISION)[stage] == digests_of(resolve("HEAD"))[stage]
    assert not copied.folder.exists()


def test_the_workspace_is_not_copied_and_has_the_parameters_that_made_its_results(repository: Repository) -> None:
    repository.set_params(0.5)
    with results_of(WORKSPACE_REVISION) as results:
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


def test_only_the_requested_paths_are_copied(repository: Repository) -> None:
    paths = ["results/evaluate/metrics.json", "results/train/seeds/2", "results/nothing"]
    with results_of(resolve("HEAD"), paths) as results:
        files = {path.relative_to(results.folder).as_posix() for path in results.folder.rglob("*") if path.is_file()}
        assert results.stages == tuple(STAGES)
    assert files == {
        "dvc.lock",
        "dvc.yaml",
        "params.yaml",
        "results/evaluate/metrics.json",
        "results/train/seeds/2/best/config.json",
    }


def test_parameters_that_are_invalid_today_are_read(repository: Repository) -> None:
    file = repository.folder / "params.yaml"
    file.write_text(file.read_text().replace("lr_critic:", "lr_kritik:"))
    repository.run("dvc", "commit", "--quiet", "--force")
    repository.commit("Long ago")
    with results_of(resolve("HEAD"), ["results/evaluate"]) as results:
        assert "lr_kritik" in results.params["agent"]
        assert "lr_critic" not in results.params["agent"]


def test_a_commit_with_training_only_has_no_other_stage(repository: Repository) -> None:
    lock = YAML(typ="safe", pure=True).load(repository.folder / "dvc.lock")
    lock["stages"]["evaluate"]["deps"][0]["md5"] = "that of another training"
    YAML(pure=True).dump(lock, repository.folder / "dvc.lock")
    repository.commit("Train again")
    with results_of(resolve("HEAD")) as results:
        assert results.stages == ("train",)
        assert [path.name for path in (results.folder / "results").iterdir()] == ["train"]


def test_data_comes_from_a_remote_and_missing_data_is_named(repository: Repository, tmp_path: Path) -> None:
    repository.run("dvc", "remote", "add", "--quiet", "--default", "store", str(tmp_path / "remote"))
    repository.run("dvc", "push", "--quiet")
    shutil.rmtree(repository.folder / ".dvc/cache")
    with results_of(resolve("HEAD")) as results:
        assert stage_digest("train", results.folder / "results") == digests_of(WORKSPACE_REVISION)["train"]
    with pytest.raises(RevisionError, match=r"HEAD~1: results/train/seeds.*neither in git nor in DVC's cache"):
        results_of(resolve("HEAD~1")).__enter__()
    with results_of(resolve("HEAD~1"), ["results/evaluate/metrics.json"]) as results:
        assert (results.folder / "results/evaluate/metrics.json").exists()


def test_a_damaged_cache_is_detected(repository: Repository) -> None:
    for file in (repository.folder / ".dvc/cache/files/md5").rglob("*"):
        if file.is_file() and not file.name.endswith(".dir"):
            file.chmod(0o644)
            file.write_text("damaged")
    with pytest.raises(RevisionError, match="results/train/seeds"):
        results_of(resolve("HEAD")).__enter__()


def test_tables_that_differ_from_the_lock_are_detected(repository: Repository) -> None:
    (repository.results / "evaluate/episodes.csv").write_text("forged")
    repository.commit("Forge")
    with pytest.raises(RevisionError, match=r"results/evaluate/episodes\.csv: expected what dvc\.lock describes"):
        results_of(resolve("HEAD")).__enter__()


@pytest.mark.parametrize("path", ["/results/../../out", "results/train/seeds/../../../../out"])
def test_no_file_is_written_outside_the_folder(
    repository: Repository, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = SimpleNamespace(find=lambda _: [path], get_file=lambda *_: pytest.fail("copied"))
    monkeypatch.setattr("dvc.repo.Repo.dvcfs", forged)
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

    forged = SimpleNamespace(find=lambda _: paths, get_file=get_file)
    monkeypatch.setattr("dvc.repo.Repo.dvcfs", forged)
    with pytest.raises(RevisionError, match="received one that leaves it"):
        results_of(resolve("HEAD")).__enter__()
    assert list(outside.iterdir()) == []


def test_a_run_that_no_revision_holds_is_downloaded_from_mlflow(repository: Repository) -> None:
    (parent,) = record(repository).parents()
    tables = {path: path.read_bytes() for path in repository.results.rglob("*.csv")}
    repository.run("git", "reset", "--quiet", "--hard", "HEAD~1")
    revision = resolve(parent.info.run_id)
    assert revision == Revision(parent.info.run_id, None, "run")
    with results_of(revision) as results:
        assert results.stages == tuple(STAGES)
        assert results.params["agent"]["lr_actor"] == 0.001
        assert len(tables) == 3
        for path, content in tables.items():
            assert (results.folder / path.relative_to(repository.folder)).read_bytes() == content
        assert (results.folder / "results/animate/rollout.mp4").read_text() == "rollout.mp4"


@pytest.mark.parametrize(
    "path", ["train/../../../../out", "../../out", "/out", "train//out/../../../../out", "train/../../../../tmp/out"]
)
def test_an_artifact_path_outside_the_folder_is_rejected(
    repository: Repository, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    (parent,) = record(repository).parents()
    repository.run("git", "reset", "--quiet", "--hard", "HEAD~1")
    forged = SimpleNamespace(is_dir=False, path=path)
    monkeypatch.setattr(MlflowClient, "list_artifacts", lambda *_: [forged])
    with pytest.raises(RevisionError, match=r"leaves it|is not in the subpath"):
        results_of(resolve(parent.info.run_id)).__enter__()


def test_a_project_in_a_subfolder_of_a_git_repository(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Repository(tmp_path / "outer" / "project")
    project.folder.parent.mkdir()
    shutil.copytree(repository.folder, project.folder, ignore=shutil.ignore_patterns(".git"))
    for command in ("git init --quiet ..", "git config user.name A", "git config user.email a@b.c"):
        project.run(*command.split())
    commit = project.commit("All at once")
    monkeypatch.setenv("DVC_ROOT", str(project.folder))
    monkeypatch.chdir(project.folder)
    assert [revision.commit for revision in commits()] == [commit]
    with results_of(resolve("HEAD")) as copied:
        assert copied.stages == tuple(STAGES)
        for stage in STAGES:
            assert stage_digest(stage, copied.folder / "results") == stage_digest(stage, project.results)
