"""Agreement between the project's files."""

import dataclasses
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ddpg.config import AgentConfig, GridConfig, TrainingConfig
from pipeline.check import PASSED
from pipeline.params import AnimateConfig, EvaluateConfig, Params, TrackingConfig, TrainConfig
from pipeline.stages import PARAMS, STAGES, SUMMARIZED, TRAIN

ROOT = Path(__file__).parents[1]
DVC = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")
LOCKS = ("requirements.lock", "environments/mujoco.lock", "notebooks/lab.lock", "benchmarks/requirements.lock")
MODULES = {"train": ("train", "execution/seed_training"), "evaluate": ("evaluate",), "animate": ("animate",)}


def parameters_read(stage):
    """`section` or `section.name` for each use of `params.…` in the stage's modules."""
    source = "".join((ROOT / "pipeline" / f"{module}.py").read_text() for module in MODULES[stage])
    return set(re.findall(r"\bparams\.((?!model_dump)\w+(?:\.\w+)?)", source))


def outputs_of(stage):
    """Paths and options of what a stage in dvc.yaml writes."""
    for entry in [entry for kind in ("outs", "plots", "metrics") for entry in stage.get(kind, [])]:
        yield (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))


@pytest.mark.parametrize("stage", MODULES)
def test_dvc_names_the_parameters_that_a_stage_reads(stage):
    named, read = set(DVC["stages"][stage]["params"]), parameters_read(stage)
    if stage == "train":
        # The worker passes on the complete section.
        read = (read - {"train", *TRAIN.without_effect}) | {f"train.{name}" for name in TrainingConfig.model_fields}
    covered = {name for name in read if name in named or name.split(".")[0] in named}
    assert read == covered
    assert {name for name in named if not any(f"{each}.".startswith(f"{name}.") for each in read)} == set()


def test_parameters_without_effect_are_those_the_library_does_not_have():
    own = TrainConfig.model_fields.keys() - TrainingConfig.model_fields.keys()
    assert {f"train.{name}" for name in own} == set(TRAIN.without_effect)


def test_stages_modules_sections_and_folders_share_names():
    assert list(DVC["stages"]) == ["check", *STAGES, "summary"]
    for name, stage in DVC["stages"].items():
        assert stage["cmd"] == f"python -m pipeline.{name}"
        assert stage["desc"]
        assert (ROOT / "pipeline" / f"{name}.py").exists()
        assert name in Params.model_fields or name not in STAGES
        assert all(path.startswith(f"results/{name}/") for path, _ in outputs_of(stage))


def test_the_summary_comes_after_every_new_result():
    read = set(DVC["stages"]["summary"]["deps"])
    assert {f"results/animate/{name}" for name in STAGES["animate"].written} <= read
    assert {"results/train/episodes.csv", "results/evaluate/metrics.json"} <= read


def test_the_summary_comes_also_after_results_that_are_the_same_or_restored():
    """A stage that runs deletes its output, and DVC does not restore a stage whose output persists."""
    assert DVC["stages"]["summary"]["outs"] == [{SUMMARIZED.as_posix(): {"persist": True}}]


def test_dvc_can_restore_earlier_runs():
    """It saves no run of a stage with an output that is neither cached nor one of its metrics or plots, or persists."""
    for stage in STAGES:
        for entry in DVC["stages"][stage]["outs"]:
            assert isinstance(entry, str), entry


def test_the_check_comes_before_any_result_is_deleted():
    (passed,) = DVC["stages"]["check"]["outs"]
    assert passed == PASSED.as_posix()
    assert passed in DVC["stages"]["train"]["deps"]
    assert DVC["stages"]["check"]["params"] == [{PARAMS: None}]


@pytest.mark.parametrize("stage", STAGES.values(), ids=list(STAGES))
def test_the_table_of_stages_agrees_with_dvc(stage):
    described = DVC["stages"][stage.name]
    tables, outputs = set(), set()
    for path, options in outputs_of(described):
        (outputs if options.get("cache", True) else tables).add(path.removeprefix(f"results/{stage.name}/"))
    assert (set(stage.tables), set(stage.outputs)) == (tables, outputs)
    settings = Params.model_validate(YAML(typ="safe", pure=True).load(ROOT / "params.yaml")).model_dump(mode="json")
    named = dataclasses.replace(stage, params=tuple(described["params"]), without_effect=())
    assert dict(stage.select_params(settings)) == dict(named.select_params(settings))


def test_every_parameter_has_a_comment():
    lines = (ROOT / "params.yaml").read_text().splitlines()
    for config in (AgentConfig, TrainConfig, GridConfig, EvaluateConfig, AnimateConfig, TrackingConfig):
        for name in config.model_fields:
            assert any(re.match(rf"\s*{name}: .*#|\s*{name}: #", line) for line in lines), name


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_package_index_and_has_hashes(name):
    lock = (ROOT / name).read_text()
    assert not re.search(r"://|^-", lock, re.MULTILINE)
    for requirement in re.findall(r"^\S+==.*?(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL):
        assert "--hash=sha256:" in requirement


def test_the_makefile_can_read_uvs_version_from_the_lock():
    assert re.search(r"^uv==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)


def test_the_locks_agree():
    locks = [dict(re.findall(r"^(\S+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE)) for name in LOCKS]
    for lock in locks[1:]:
        common = lock.keys() & locks[0].keys()
        assert common
        assert {name: lock[name] for name in common} == {name: locks[0][name] for name in common}
