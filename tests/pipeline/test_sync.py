"""The command that makes the store complete from files: those of the workspace, and those of revisions."""

import shutil
import subprocess
import sys

import pytest

from pipeline.revisions.names import experiments, resolve
from pipeline.sync import main
from pipeline.tracking import record
from tests.pipeline.laboratory import REPOSITORY, Laboratory, Repository, Store
from tests.pipeline.tracking.steps import save_no_actor
from tests.pipeline.tracking.test_interrupted import interrupt, pretend_killed

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.tracking.model.save_actor", save_no_actor)


@pytest.fixture
def workspace(laboratory: Laboratory) -> Laboratory:
    shutil.copy(REPOSITORY / "params.yaml", laboratory.folder)
    return laboratory


@pytest.fixture
def recorded(repository: Repository) -> Store:
    return Store(repository.folder / "mlflow.db")


def test_the_first_call_records_all_stages_and_the_second_none(
    workspace: Laboratory, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    (parent,) = store.parents()
    name = parent.info.run_name
    assert capsys.readouterr().out == f"workspace: train, evaluate, animate recorded in run {name}\n"
    assert parent.data.tags["stages"] == "train, evaluate, animate"
    assert main([]) == 0
    assert capsys.readouterr().out == "nothing was missing: 1 revision, 1 result\n"
    assert len(store.runs()) == 1 + len(workspace.seeds)


def test_only_what_is_missing_is_recorded(
    workspace: Laboratory, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    record("train", workspace.params, workspace.results)
    (parent,) = store.parents()
    shutil.rmtree(workspace.results / "animate")
    assert main([]) == 0
    assert capsys.readouterr().out == f"workspace: evaluate recorded in run {parent.info.run_name}\n"


def test_what_somebody_deleted_in_the_store_is_recorded_again(
    workspace: Laboratory, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    store.client.delete_run(store.parents()[0].info.run_id)
    capsys.readouterr()
    assert main([]) == 0
    (parent,) = store.parents()
    assert capsys.readouterr().out == f"workspace: train, evaluate, animate recorded in run {parent.info.run_name}\n"
    assert sorted(store.children(parent)) == sorted(workspace.seeds)
    n_runs = len(store.runs())
    store.client.delete_run(store.children(parent)[2].info.run_id)
    assert main([]) == 0
    assert capsys.readouterr().out == f"workspace: train, evaluate, animate recorded in run {parent.info.run_name}\n"
    assert {"train/return", "evaluate/best/return"} <= store.children(parent)[2].data.metrics.keys()
    assert len(store.runs()) == n_runs
    store.client.delete_registered_model("ddpg-MountainCarContinuous-v0")
    assert main([]) == 0
    assert capsys.readouterr().out == f"workspace: model recorded in run {parent.info.run_name}\n"
    store.client.delete_experiment(parent.info.experiment_id)
    assert main([]) == 1
    assert f"`mlflow experiments restore --experiment-id {parent.info.experiment_id}`" in capsys.readouterr().err


@pytest.mark.usefixtures("workspace", "store")
@pytest.mark.parametrize("broken", ["model.save_actor", "recording.add_model", "model.connect"])
def test_a_model_that_cannot_be_recorded_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(f"pipeline.tracking.{broken}", lambda *_: 1 / 0)
        assert [main([]), main([])] == [1, 1]
        assert "nothing was missing" not in capsys.readouterr().out
    assert main([]) == 0


def test_a_run_that_nothing_runs_for_is_closed(
    workspace: Laboratory, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt(workspace.with_seeds(8, 9), 4)
    (killed,) = store.parents()
    pretend_killed(store)
    assert main([]) == 0
    assert f"run {killed.info.run_name}: closed" in capsys.readouterr().out
    assert [parent.info.status for parent in store.parents()] == ["FINISHED", "KILLED"]
    assert {run.info.status for run in store.children(killed).values()} == {"KILLED"}


def test_edited_parameters_do_not_become_those_of_the_results(workspace: Laboratory, store: Store) -> None:
    workspace.write_lock(**{"agent.lr_actor": 0.5, "seeds": [1, 2, 3]})
    assert main([]) == 0
    (parent,) = store.parents()
    assert parent.data.params["agent.lr_actor"] == "0.5"
    assert parent.data.params["seeds"] == "[1, 2, 3]"


def test_without_results_it_says_so(workspace: Laboratory, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(workspace.results)
    assert main([]) == 1
    assert "expected the results of at least the stage train" in capsys.readouterr().err


@pytest.mark.usefixtures("workspace")
def test_a_store_out_of_reach_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:correct-horse@127.0.0.1:9")
    assert main([]) == 1
    error = capsys.readouterr().err
    assert error.startswith("sync: ")
    assert "127.0.0.1" in error
    assert "correct-horse" not in error
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://[::1")
    assert main([]) == 1
    assert capsys.readouterr().err.startswith("sync: ")


def test_refused_parameters_are_named(workspace: Laboratory, capsys: pytest.CaptureFixture[str]) -> None:
    file = workspace.folder / "params.yaml"
    file.write_text(file.read_text().replace("lr_actor:", "lr_aktor:"))
    assert main([]) == 1
    assert "lr_aktor" in capsys.readouterr().err


def test_all_commits_are_one_run_a_result_and_a_second_call_does_nothing(
    repository: Repository, recorded: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.run("git", "tag", "v1", "HEAD~1")
    newest, second, first = repository.run("git", "rev-list", "HEAD").split()
    assert main(["--all-commits"]) == 0
    of_newest, of_first = recorded.parents()
    assert of_newest.data.metrics["evaluate/best/return_iqm"] == 95.0
    assert of_newest.data.params["agent.lr_actor"] == "0.001"
    tags = of_first.data.tags
    assert (tags["git.commit"], tags["git.dirty"], tags["backfilled"]) == (first, "false", "true")
    assert (tags["git.commits"], tags["git.branches"], tags["git.tags"]) == (f"{second}, {first}", "main", "v1")
    assert of_newest.data.tags["git.commits"] == newest
    assert "git.tags" not in of_newest.data.tags
    for parent in (of_newest, of_first):
        assert parent.data.tags["stages"] == "train, evaluate, animate"
        assert "videos/rollout.mp4" in recorded.artifacts(parent, "videos")
        for child in recorded.children(parent).values():
            episodes = [step for name, _, step in recorded.points(child) if name == "test/return"]
            assert sorted(episodes) == [1, 2, 3]
    before = [run.data.to_dictionary() for run in recorded.runs()]
    capsys.readouterr()
    assert main(["--all-commits"]) == 0
    assert capsys.readouterr().out == "nothing was missing: 3 revisions, 2 results\n"
    assert [run.data.to_dictionary() for run in recorded.runs()] == before


def test_a_run_is_named_after_what_it_changed_and_in_the_end_the_commit_that_holds_it(
    repository: Repository, recorded: Store
) -> None:
    before = repository.run("git", "rev-parse", "HEAD")
    repository.set_params(0.01)
    repository.repro()
    params = Laboratory(repository.folder).params
    params["agent"]["lr_actor"] = 0.01
    record("train", params, repository.results)
    (parent,) = recorded.parents()
    assert parent.info.run_name == f"lr_actor 0.01 · {before[:7]}"
    assert parent.data.tags["changed"] == "agent.lr_actor: 0.001 → 0.01"
    after = repository.commit("Raise it again")
    repository.commit("Write about it")
    assert main(["HEAD"]) == 0
    (parent,) = recorded.parents()
    assert parent.info.run_name == f"lr_actor 0.01 · {after[:7]}"


def test_a_commit_is_written_on_the_run_that_made_its_results(
    repository: Repository, recorded: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    for stage in ("train", "evaluate", "animate"):
        record(stage, Laboratory(repository.folder).params, repository.results)
    (parent,) = recorded.parents()
    assert "git.commits" not in parent.data.tags
    assert main(["HEAD"]) == 0
    assert capsys.readouterr().out == f"run {parent.info.run_name}: held by 1 commit, branches: main\n"
    assert len(recorded.parents()) == 1
    repository.run("git", "branch", "side")
    later = repository.commit("Write more")
    assert main([]) == 0
    (parent,) = recorded.parents()
    assert parent.data.tags["git.commits"].split(", ")[0] == later
    assert parent.data.tags["git.branches"] == "main, side"
    repository.run("git", "branch", "--delete", "--force", "side")
    repository.run("git", "reset", "--quiet", "--soft", "HEAD~2")
    assert main([]) == 0
    (parent,) = recorded.parents()
    assert not {"git.commits", "git.branches", "git.tags"} & parent.data.tags.keys()
    assert resolve(parent.info.run_id).kind == "workspace"


def test_data_that_is_nowhere_is_reported_and_the_others_are_recorded(
    repository: Repository, recorded: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(repository.folder / ".dvc/cache")
    repository.run("dvc", "commit", "--quiet")
    assert main(["--all-commits"]) == 1
    (parent,) = recorded.parents()
    assert parent.data.metrics["evaluate/best/return_iqm"] == 95.0
    output = capsys.readouterr()
    assert "results/train/seeds: expected what dvc.lock describes" in output.err
    assert "nothing was missing" not in output.out


def test_an_unknown_name_comes_before_any_work(
    repository: Repository, recorded: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["HEAD", "nope"]) == 2
    assert "sync: nope: expected" in capsys.readouterr().err
    assert recorded.runs() == []


def test_parameters_of_long_ago_are_recorded_as_they_were(repository: Repository, recorded: Store) -> None:
    file = repository.folder / "params.yaml"
    file.write_text(file.read_text().replace("lr_critic:", "lr_kritik:").replace("\nevaluate:", "\nevaluation:"))
    dvc = repository.folder / "dvc.yaml"
    dvc.write_text(dvc.read_text().replace("params: [evaluate]", "params: [evaluation]"))
    repository.run("dvc", "commit", "--quiet", "--force")
    repository.commit("Long ago")
    shutil.copy(REPOSITORY / "params.yaml", repository.folder)
    assert main(["HEAD"]) == 0
    (parent,) = recorded.parents()
    assert parent.data.params["agent.lr_kritik"] == "0.005"
    assert "agent.lr_critic" not in parent.data.params


def test_a_backfilled_model_is_the_newest_only_where_its_results_are(repository: Repository, recorded: Store) -> None:
    newest = []
    for revision in ("HEAD", "HEAD~1"):
        assert main([revision]) == 0
        (model,) = recorded.client.search_registered_models()
        newest.append(int(model.aliases["newest"]))
    assert newest == [1, 1]
    assert len(recorded.client.search_model_versions()) == 2


def test_more_commits_than_a_tag_takes_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.revisions import holders

    monkeypatch.setattr(holders, "_LONGEST_TAG", 10)
    assert holders._joined(["abc", "def"]) == "abc, def"
    assert holders._joined(["abc", "def", "ghi"]) == "abc, def"


def test_two_calls_at_once_record_each_result_once(repository: Repository, recorded: Store) -> None:
    program = (
        "import sys; from pipeline import sync; from pipeline.tracking import model\n"
        "from tests.pipeline.tracking.steps import save_no_actor\n"
        "model.save_actor = save_no_actor\n"
        "sys.exit(sync.main(['--all-commits']))\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    errors = [process.communicate(timeout=200)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)
    assert len(recorded.parents()) == 2
    assert len(recorded.runs()) == 2 * (1 + 3)


@pytest.mark.minutes
def test_experiments_of_the_queue_are_recorded_with_their_names(repository: Repository, recorded: Store) -> None:
    repository.run("dvc", "exp", "run", "--quiet", "--queue", "--name", "high-rate", "-S", "agent.lr_actor=0.01")
    repository.run("dvc", "exp", "run", "--quiet", "--run-all")
    (experiment,) = experiments()
    assert main(["--experiments"]) == 0
    (parent,) = recorded.parents()
    assert parent.info.run_name == parent.data.tags["dvc.experiment"] == "high-rate"
    assert parent.data.tags["dvc.baseline"] == repository.run("git", "rev-parse", "HEAD")
    assert parent.data.tags["git.commit"] == parent.data.tags["git.commits"] == experiment.commit
    assert parent.data.metrics["evaluate/best/return_iqm"] == 92.0
    assert resolve(parent.info.run_id).commit == experiment.commit
    assert main(["--experiments", "high-rate"]) == 0
    assert len(recorded.parents()) == 1


def test_a_branch_without_commits_keeps_no_other_from_being_recorded(repository: Repository) -> None:
    repository.run("git", "checkout", "--quiet", "--orphan", "fresh")
    assert main(["--all-commits"]) == 0
    assert len(Store(repository.folder / "mlflow.db").parents()) == 2


def test_the_packages_are_those_of_the_commit_that_made_the_result(repository: Repository, recorded: Store) -> None:
    versions = []
    for lr_actor in (0.01, 0.001):
        (repository.folder / "requirements.lock").write_text(f"numpy=={lr_actor}\n")
        repository.set_params(lr_actor)
        repository.repro()
        commit = repository.commit(f"Pin NumPy {lr_actor}")
        assert main([commit]) == 0
        versions.append(recorded.parents()[0].data.tags["version.numpy"])
    assert versions == ["0.01", "0.001"]
