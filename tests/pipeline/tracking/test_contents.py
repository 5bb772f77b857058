import mlflow
import pytest

from pipeline.tracking.contents import Point, accepted_name, accepted_value, points_over_seeds, stage_files


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


def test_mlflow_accepts_every_value_of_a_parameter(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRUNCATE_LONG_VALUES", "false")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'store.db'}")
    run = client.create_run(client.create_experiment("values", tmp_path.as_uri())).info.run_id
    values = {"long": "x" * 9000, "other": "x" * 9001, "wide": "🙂" * 9000, "empty": "", "short": "1"}
    for name, value in values.items():
        client.log_param(run, name, accepted_value(value))
    found = client.get_run(run).data.params
    assert found == {name: accepted_value(value) for name, value in values.items()}
    assert len(set(found.values())) == len(values)
    assert found["short"] == "1"


def test_curves_over_seeds_begin_when_every_seed_has_a_value():
    """A seed that learns late would pull the median down when it joins; one that never has a value does not count."""
    early = [Point("validation/return", 95.0, step) for step in (1, 2, 3)]
    late = [Point("validation/return", 1.0, 3)]
    found = points_over_seeds({1: early, 2: early, 3: late, 4: [Point("test/return", 0.0, 1)]})
    medians = [point for point in found if point.metric.endswith("_median")]
    assert medians == [Point("test/return_median", 0.0, 1), Point("validation/return_median", 95.0, 3)]


def test_files_of_others_in_a_stages_folder_are_left_out(tmp_path):
    folder = tmp_path / "evaluate"
    (folder / "policy").mkdir(parents=True)
    for name in ("metrics.json", "seeds.csv", "trajectories.npz", "notes.txt", ".gitignore"):
        (folder / name).touch()
    assert [file.name for file in stage_files("evaluate", tmp_path)] == ["metrics.json", "seeds.csv"]
