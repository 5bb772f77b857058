"""Digests of results and parameters."""

from pathlib import Path

import pytest

from pipeline.provenance.digests import (
    complete_stages,
    config_hash,
    content_digest,
    locked_digests,
    params_of_results,
    stage_digest,
)
from pipeline.stages import STAGES
from tests.pipeline.laboratory import Laboratory


def test_a_content_digest_equals_dvcs(tmp_path: Path) -> None:
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.db import HashFileDB
    from dvc_objects.fs.local import LocalFileSystem

    for name in ("b/c", "b-a", "é"):
        (tmp_path / "of stage" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "of stage" / name).write_text(name)
    cache = HashFileDB(LocalFileSystem(), str(tmp_path / "cache"))
    for path in (tmp_path / "of stage", tmp_path / "of stage" / "b-a"):
        assert content_digest(path) == build(cache, str(path), LocalFileSystem(), "md5")[2].hash_info.value


def test_a_stages_digest_equals_that_of_its_outputs_in_the_lock(laboratory: Laboratory) -> None:
    assert {stage: stage_digest(stage, laboratory.results) for stage in STAGES} == locked_digests(laboratory.lock())


def test_a_stages_digest_ignores_only_files_of_others(laboratory: Laboratory) -> None:
    before = stage_digest("train", laboratory.results)
    folder = laboratory.results / "train"
    for name in (".gitignore", "notes.txt"):
        (folder / name).write_text("/seeds")
    assert stage_digest("train", laboratory.results) == before
    (folder / "seeds" / "1").rename(folder / "seeds" / "9")
    assert stage_digest("train", laboratory.results) != before


def test_a_missing_stage_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="train: expected a folder"):
        stage_digest("train", tmp_path)


def test_the_config_hash_changes_only_with_what_determines_learning(laboratory: Laboratory) -> None:
    params = laboratory.params
    before = config_hash(params)
    params["seeds"] = [9]
    params["train"] |= {"workers": 7, "checkpoint_every": 3}
    params["evaluate"]["n_episodes"] = 7
    assert config_hash(params) == before
    params["agent"]["lr_actor"] = 0.5
    assert config_hash(params) != before


def test_the_config_hash_of_recorded_runs_stays() -> None:
    params = {"environment": {"id": "A"}, "agent": {"b": 1}, "train": {"n_episodes": 2, "workers": 3, "gone": 4}}
    assert config_hash(params) == "7202cb67b114"


def test_stages_are_complete_up_to_the_first_missing_file(laboratory: Laboratory) -> None:
    lock = laboratory.lock()
    for contents in ({}, lock):
        assert complete_stages(laboratory.results, contents) == tuple(STAGES)
    (laboratory.results / "evaluate" / "seeds.csv").unlink()
    for contents in ({}, lock):
        assert complete_stages(laboratory.results, contents) == ("train",)


def test_without_a_lock_a_stage_needs_all_its_files(laboratory: Laboratory) -> None:
    (laboratory.results / "animate" / "phase_portrait.png").unlink()
    assert complete_stages(laboratory.results, {}) == ("train", "evaluate")
    # An old revision's lock describes the stage without it.
    assert complete_stages(laboratory.results, laboratory.lock()) == tuple(STAGES)


def test_files_that_differ_from_the_lock_are_incomplete(laboratory: Laboratory) -> None:
    lock = laboratory.lock()
    laboratory.evaluate(iqm=1.0)
    assert complete_stages(laboratory.results, lock) == ("train",)


def test_a_stage_made_from_other_upstream_files_is_incomplete(laboratory: Laboratory) -> None:
    lock = laboratory.lock()
    lock["stages"]["evaluate"]["deps"][0]["md5"] = "old"
    assert list(locked_digests(lock)) == ["train"]
    assert complete_stages(laboratory.results, lock) == ("train",)


def entry(stage, md5="1", reads="", **params):
    """A stage in dvc.lock, with an output of this hash, made from the train stage's of another."""
    deps = [{"path": "results/train/seeds", "md5": reads}] if reads else []
    outs = [{"path": "results/train/seeds" if stage == "train" else f"results/{stage}/file", "md5": md5}]
    return {"deps": deps, "outs": outs, "params": {"params.yaml": params}}


def test_locked_parameters_override_the_file() -> None:
    params = {"seeds": [1, 2], "train": {"n_episodes": 7, "workers": 2}}
    lock = {"stages": {"train": entry("train", seeds=[3], **{"train.n_episodes": 50})}}
    assert params_of_results(params, lock) == {"seeds": [3], "train": {"n_episodes": 50, "workers": 2}}
    assert params["seeds"] == [1, 2]


def test_locked_parameters_replace_values_by_sections() -> None:
    lock = {"stages": {"train": entry("train", seeds=[1], **{"agent.lr_actor": 0.5})}}
    assert params_of_results({"agent": 3, "seeds": [2]}, lock) == {"agent": {"lr_actor": 0.5}, "seeds": [1]}


def test_a_stage_that_is_left_from_an_earlier_result_says_nothing_of_the_present_one() -> None:
    """Training anew alone leaves what evaluate once read in the lock."""
    lock = {
        "stages": {
            "train": entry("train", "new", seeds=[3], **{"train.action_repeat": 30}),
            "evaluate": entry("evaluate", reads="old", seeds=[1, 2], **{"train.action_repeat": 5}),
        }
    }
    assert list(locked_digests(lock)) == ["train"]
    assert params_of_results({}, lock) == {"seeds": [3], "train": {"action_repeat": 30}}


def test_stages_with_other_parameters_are_not_of_one_result() -> None:
    """Evaluated in another environment than trained in, by `dvc repro --single-item evaluate`."""
    made = {"seeds": [1], "environment": {"id": "A", "kwargs": {"gravity": 1}}}
    other = {"seeds": [1], "environment": {"id": "A", "kwargs": {"gravity": 2}}}
    lock = {"stages": {"train": entry("train", **made), "evaluate": entry("evaluate", reads="1", **made)}}
    assert list(locked_digests(lock)) == ["train", "evaluate"]
    lock["stages"]["evaluate"] = entry("evaluate", reads="1", **other)
    assert list(locked_digests(lock)) == ["train"]
