"""A store whose project was copied: nothing may be written into the original."""

import shutil
from pathlib import Path

import pytest
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

from pipeline.tracking import record
from pipeline.tracking.moved import follow_move
from tests.pipeline.laboratory import Laboratory, Store

pytestmark = pytest.mark.slow


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_copy_reads_and_writes_its_own_files(
    laboratory: Laboratory,
    store: Store,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record("train", laboratory.params, laboratory.results)
    copy = tmp_path_factory.mktemp("elsewhere") / "a copy"
    shutil.copytree(laboratory.folder, copy)
    before = files(laboratory.folder)
    _artifact_repos_cache.clear()  # which a process that works on the copy would not have
    monkeypatch.setenv("DVC_ROOT", str(copy))
    monkeypatch.chdir(copy)
    record("evaluate", laboratory.params, Path("results"))
    record("animate", laboratory.params, Path("results"))
    assert files(laboratory.folder) == before
    (parent,) = Store(copy / "mlflow.db").parents()
    assert parent.info.artifact_uri.startswith((copy / "mlartifacts").as_uri())
    assert list((copy / "mlartifacts").rglob("videos/training.mp4"))
    note = capsys.readouterr().err
    assert note.count("was moved or copied") == 1
    assert str(laboratory.folder) in note


def test_another_name_of_the_same_folder_is_no_move(
    laboratory: Laboratory, store: Store, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    record("train", laboratory.params, laboratory.results)
    link = tmp_path_factory.mktemp("elsewhere") / "link"
    link.symlink_to(laboratory.folder)
    monkeypatch.setenv("DVC_ROOT", str(link))
    follow_move()
    (parent,) = store.parents()
    assert parent.info.artifact_uri.startswith((laboratory.folder / "mlartifacts").as_uri())


def test_a_store_that_is_new_or_absent_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    follow_move()
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "none.db").touch()
    follow_move()
