import mlflow
import pytest

from pipeline.tracking.contents import accepted_name, stage_files


@pytest.mark.parametrize(
    "name",
    [
        "kwargs.speed (m/s)",
        "a/b",
        "kwargs.../x",
        "a//b",
        "x" * 300,
        "größe",
        "line\nbreak",
        "train.eps",
    ],
)
def test_mlflow_accepts_every_name_of_a_parameter(name, tmp_path):
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'store.db'}")
    run = client.create_run(client.create_experiment("names", tmp_path.as_uri())).info.run_id
    client.log_param(run, accepted_name(name), 1)
    assert list(client.get_run(run).data.params) == [accepted_name(name)]


def test_a_name_that_is_accepted_stays_and_others_differ():
    assert accepted_name("train.grid.x_limits") == "train.grid.x_limits"
    assert accepted_name("speed (m/s)") != accepted_name("speed [m/s]")


def test_files_of_others_in_a_stages_folder_are_left_out(tmp_path):
    folder = tmp_path / "evaluate"
    (folder / "policy").mkdir(parents=True)
    for name in ("metrics.json", "seeds.csv", "trajectories.npz", "notes.txt", ".gitignore"):
        (folder / name).touch()
    assert [file.name for file in stage_files("evaluate", tmp_path)] == ["metrics.json", "seeds.csv"]
