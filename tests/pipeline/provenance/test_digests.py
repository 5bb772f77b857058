"""Digests, git state and what else says where a result comes from."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.provenance.digests import (
    complete_stages,
    config_hash,
    content_digest,
    locked_digests,
    params_of_results,
    stage_digest,
)
from pipeline.stages import STAGES
from tests.pipeline.laboratory import REPOSITORY, Laboratory


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_content_digest_is_the_one_of_dvc(tmp_path: Path) -> None:
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.db import HashFileDB
    from dvc_objects.fs.local import LocalFileSystem

    for name in ("b/c", "b-a", "é"):
        (tmp_path / "of stage" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "of stage" / name).write_text(name)
    cache = HashFileDB(LocalFileSystem(), str(tmp_path / "cache"))
    for path in (tmp_path / "of stage", tmp_path / "of stage" / "b-a"):
        assert content_digest(path) == build(cache, str(path), LocalFileSystem(), "md5")[2].hash_info.value


def test_a_stages_digest_is_that_of_its_outputs_in_the_lock(laboratory: Laboratory) -> None:
    assert {stage: stage_digest(stage, laboratory.results) for stage in STAGES} == locked_digests(laboratory.lock())


def test_a_stages_digest_ignores_hidden_files_and_nothing_else(laboratory: Laboratory) -> None:
    before = stage_digest("train", laboratory.results)
    folder = laboratory.results / "train"
    (folder / ".gitignore").write_text("/seeds")
    assert stage_digest("train", laboratory.results) == before
    (folder / "seeds" / "1").rename(folder / "seeds" / "9")
    assert stage_digest("train", laboratory.results) != before


def test_a_stage_without_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="train: expected a folder"):
        stage_digest("train", tmp_path)


def test_a_stages_outputs_stand_directly_in_its_folder() -> None:
    stages = YAML(typ="safe", pure=True).load(REPOSITORY / "dvc.yaml")["stages"]
    for stage, entry in stages.items():
        for output in [*entry["outs"], *entry.get("metrics", [])]:
            path = output if isinstance(output, str) else next(iter(output))
            assert Path(path).parent == Path("results", stage)


def test_the_config_hash_changes_with_what_determines_learning_only(laboratory: Laboratory) -> None:
    params = laboratory.params
    before = config_hash(params)
    params["seeds"] = [9]
    params["train"] |= {"workers": 7, "checkpoint_every": 3}
    params["evaluate"]["n_episodes"] = 7
    assert config_hash(params) == before
    params["agent"]["lr_actor"] = 0.5
    assert config_hash(params) != before


def test_stages_are_complete_up_to_the_first_missing_file(laboratory: Laboratory) -> None:
    locks: list[dict[str, Any]] = [{}, laboratory.lock()]
    for lock in locks:
        assert complete_stages(laboratory.results, lock) == tuple(STAGES)
    (laboratory.results / "evaluate" / "metrics.json").unlink()
    for lock in locks:
        assert complete_stages(laboratory.results, lock) == ("train",)


def test_files_that_are_not_those_of_the_lock_are_not_complete(laboratory: Laboratory) -> None:
    lock = laboratory.lock()
    laboratory.evaluate(iqm=1.0)
    assert complete_stages(laboratory.results, lock) == ("train",)


def test_a_stage_made_from_other_upstream_files_is_not_complete(laboratory: Laboratory) -> None:
    lock = laboratory.lock()
    lock["stages"]["evaluate"]["deps"][0]["md5"] = "old"
    assert list(locked_digests(lock)) == ["train"]
    assert complete_stages(laboratory.results, lock) == ("train",)


def test_the_locked_parameters_are_those_of_the_results() -> None:
    params = {"seeds": [1, 2], "train": {"n_episodes": 7, "workers": 2}}
    lock = {"stages": {"train": {"params": {"params.yaml": {"seeds": [3], "train.n_episodes": 50}}}}}
    assert params_of_results(params, lock) == {"seeds": [3], "train": {"n_episodes": 50, "workers": 2}}
    assert params["seeds"] == [1, 2]


def test_parameters_of_the_lock_go_before_values_where_they_need_sections() -> None:
    lock = {"stages": {"train": {"params": {"params.yaml": {"agent.lr_actor": 0.5, "seeds": [1]}}}}}
    assert params_of_results({"agent": 3, "seeds": [2]}, lock) == {"agent": {"lr_actor": 0.5}, "seeds": [1]}
