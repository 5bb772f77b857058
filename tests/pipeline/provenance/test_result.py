"""A result as stages and reports read it."""

from pathlib import Path

import pytest

from ddpg.files import DamagedFileError
from pipeline.errors import MissingResultError, RevisionError
from pipeline.provenance.result import TABLES, Result
from pipeline.provenance.revision import Revision
from pipeline.stages import EVALUATE, TRAIN
from tests.pipeline.laboratory import Laboratory


def test_without_arguments_it_is_the_one_in_the_working_directory(laboratory: Laboratory) -> None:
    result = Result()
    assert result.path(TRAIN, "seeds/2/best") == Path("results/train/seeds/2/best")
    assert result.median_seed == 2
    assert len(result.training) == 18
    assert result.evaluation["seed"].unique().tolist() == [1, 2, 3]
    assert result.history is None


def test_a_missing_file_is_reported_with_the_stage_that_writes_it(laboratory: Laboratory) -> None:
    (laboratory.results / "evaluate/metrics.json").unlink()
    message = r"^results/evaluate/metrics\.json: expected from the evaluate stage.*`dvc repro evaluate`"
    with pytest.raises(MissingResultError, match=message):
        _ = Result().median_seed


def test_a_seed_that_is_no_number_is_reported_with_the_file(laboratory: Laboratory) -> None:
    file = laboratory.results / EVALUATE.name / "metrics.json"
    file.write_text(file.read_text().replace('"median_seed": 2', '"median_seed": -2'))
    with pytest.raises(DamagedFileError, match=r"^results/evaluate/metrics\.json: median_seed: expected"):
        _ = Result().median_seed


def test_a_stage_without_complete_results_is_reported_with_the_revision(tmp_path: Path) -> None:
    result = Result(Revision("HEAD", "0" * 40, "commit"), tmp_path, {}, ("train",))
    assert result.require("train") is result
    with pytest.raises(RevisionError, match=r"^HEAD: expected results of the evaluate stage.*found train; run"):
        result.require("evaluate")


def test_hashes_are_shortened_and_other_names_are_not() -> None:
    commit = "0123456789abcdef" * 2 + "01234567"
    for name, kind, expected in (
        (commit, "commit", commit[:10]),
        (commit[:32], "run", commit[:10]),
        ("experiment-42", "experiment", "experiment-42"),
    ):
        assert Result(Revision(name, commit, kind)).name == expected  # type: ignore[arg-type]


def test_edited_parameters_are_detected(laboratory: Laboratory) -> None:
    (laboratory.folder / "params.yaml").write_text("{seeds: [1], environment: {id: A}}")
    params = {"seeds": [1], "environment": {"id": "A"}}
    assert not Result(params=params).is_edited
    assert Result(params=params | {"seeds": [2]}).is_edited


def test_frames_of_the_training_are_no_closer_than_its_snapshots() -> None:
    params = {"train": {"gen_q_a_frames_every_n_steps": 10}, "animate": {"fps": 15, "every_n_steps": 4}}
    assert Result(params=params).pace("training") == 150
    params["animate"] |= {"every_n_steps": 20, "rollout_fps": 60}
    assert Result(params=params).pace("training") == 300
    assert Result(params=params).pace("rollout") == 60


def test_the_tables_are_what_git_tracks(laboratory: Laboratory) -> None:
    assert {f"results/{name}" for name in ("train/episodes.csv", "evaluate/seeds.csv", "evaluate/metrics.json")} < {
        *TABLES
    }
    assert all((laboratory.folder / name).is_file() for name in TABLES)
