"""The whole pipeline, by DVC, in a project of its own."""

import re
import shutil

import pytest

from tests.pipeline.laboratory import Store
from tests.pipeline.small import commit, new_project, run, write_params

STAGES = ("train", "evaluate", "animate")


@pytest.fixture
def project(tmp_path, migrated_store):
    return new_project(tmp_path / "project", migrated_store)


def stages_run(output):
    return tuple(stage for stage in STAGES if f"Running stage '{stage}'" in output)


@pytest.mark.minutes
def test_repro_runs_what_changed_repeats_bytes_and_leaves_one_complete_run_a_result(project):
    from mlflow import MlflowClient

    assert stages_run(run(project, "dvc", "repro")) == STAGES
    lock = (project / "dvc.lock").read_text()

    assert stages_run(run(project, "dvc", "repro")) == ()
    assert run(project, "dvc", "status").strip() == "Data and pipelines are up to date."

    write_params(project, train={"workers": 1, "checkpoint_every": 1})
    assert stages_run(run(project, "dvc", "repro")) == ()
    write_params(project, animate={"fps": 7})
    assert stages_run(run(project, "dvc", "repro")) == ("animate",)

    write_params(project)
    assert stages_run(run(project, "dvc", "repro")) == ()  # DVC has the earlier run
    for folder in ("results", ".dvc/cache", ".seeds"):
        shutil.rmtree(project / folder)
    output = run(project, "dvc", "repro", "--no-run-cache")
    assert stages_run(output) == STAGES
    assert "Best policies: return" in output  # although all results are those of dvc.lock
    assert (project / "dvc.lock").read_text() == lock

    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("MountainCarContinuous-v0")
    runs = client.search_runs([experiment.experiment_id])
    parents = [each for each in runs if "stages" in each.data.tags]
    # The result, the one with other frames per second, and the result made again.
    assert [each.data.tags["stages"] for each in parents] == ["train, evaluate, animate"] * 3
    assert {each.info.status for each in runs} == {"FINISHED"}
    for parent in parents:
        children = [each for each in runs if each.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        assert sorted(each.data.tags["seed"] for each in children) == ["2", "3"]
        for child in children:
            points = client.get_metric_history(child.info.run_id, "test/return")
            assert sorted(point.step for point in points) == [1, 2, 3]
    (model,) = client.search_registered_models()
    assert model.name == "ddpg-MountainCarContinuous-v0"


@pytest.mark.minutes
def test_nothing_is_lost_to_a_typo_and_an_earlier_result_is_found_again(project):
    def files():
        return {path: path.read_bytes() for path in (project / "results").rglob("*.*") if "check" not in path.parts}

    run(project, "dvc", "repro")
    commit(project, "Baseline")
    before = files()
    write_params(project, agent={"tau_actor": "abc"})
    with pytest.raises(AssertionError, match=r"agent\.tau_actor: expected a number in \(0, 1\], received 'abc'"):
        run(project, "dvc", "repro")
    assert files() == before
    write_params(project)
    assert stages_run(run(project, "dvc", "repro")) == ()
    assert files() == before

    write_params(project, agent={"tau_actor": 0.1})
    output = run(project, "dvc", "repro")
    assert stages_run(output) == STAGES
    assert re.search(r"Against \w{7}: +tau_actor 0\.1, return ", output)
    assert "git add . && git commit --message 'tau_actor 0.1'" in output
    assert files() != before
    write_params(project)
    output = run(project, "dvc", "repro")
    assert stages_run(output) == ()
    assert "the same scores" in output
    assert files() == before
    assert len(Store(project / "mlflow.db").parents()) == 2


@pytest.mark.minutes
def test_editing_an_environment_of_ones_own_trains_again(project):
    write_params(project, environment={"id": "environments:PointMass-v0"}, train={"action_repeat": 10})
    assert stages_run(run(project, "dvc", "repro")) == STAGES
    before = (project / "results/train/episodes.csv").read_bytes()
    module = project / "environments/point_mass.py"
    module.write_text(module.read_text().replace("TIME_STEP = 0.1", "TIME_STEP = 0.05"))
    output = run(project, "dvc", "repro")
    assert stages_run(output) == STAGES
    assert "reused" not in output
    assert (project / "results/train/episodes.csv").read_bytes() != before
    module.write_text(module.read_text().replace("TIME_STEP = 0.05", "TIME_STEP = 0.1"))
    run(project, "dvc", "repro")
    assert (project / "results/train/episodes.csv").read_bytes() == before
