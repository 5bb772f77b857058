import math

import pytest

from pipeline import results


def test_json_has_null_for_what_is_no_number(tmp_path):
    results.write_json(tmp_path / "metrics.json", {"a": {"b": math.nan, "c": 1.5}, "d": None})
    assert results.read_json(tmp_path / "metrics.json") == {"a": {"b": None, "c": 1.5}, "d": None}
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.write_json(tmp_path / "metrics.json", {"a": math.inf})


def test_start_afresh_leaves_nothing_of_an_earlier_run(tmp_path):
    (tmp_path / "seeds" / "9").mkdir(parents=True)
    results.start_afresh(tmp_path / "seeds")
    assert list((tmp_path / "seeds").iterdir()) == []


def test_require_names_the_stage(tmp_path):
    assert results.require(tmp_path, "train") == tmp_path
    with pytest.raises(results.MissingResultError, match=r"seeds: expected from the train stage.*dvc repro train"):
        results.require(tmp_path / "seeds", "train")
