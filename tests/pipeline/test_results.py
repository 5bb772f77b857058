import json
import math

import pytest

from ddpg.files import DamagedFileError
from pipeline import results


def test_nan_is_written_as_null_and_infinity_is_an_error(tmp_path):
    results.write_json(tmp_path / "metrics.json", {"a": {"b": math.nan, "c": 1.5}, "d": None})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"a": {"b": None, "c": 1.5}, "d": None}
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.write_json(tmp_path / "metrics.json", {"a": math.inf})


def test_recreating_a_folder_removes_the_files_of_an_earlier_run(tmp_path):
    (tmp_path / "seeds" / "9").mkdir(parents=True)
    results.recreate(tmp_path / "seeds")
    assert list((tmp_path / "seeds").iterdir()) == []


TABLE = "seed,policy,return\n1,best,0.5\n1,final,\n2,best,1\n"


def test_reads_a_table(tmp_path):
    (tmp_path / "a.csv").write_text(TABLE)
    table = results.read_table(tmp_path / "a.csv", ["seed", "policy"], ["return"], ["absent"])
    assert table["return"].fillna(-1).tolist() == [0.5, -1, 1]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (TABLE, "", "expected a table"),
        ("return", "score", "expected rows with the columns seed, policy, return, found no return"),
        ("0.5", "words", "expected finite numbers as return"),
        ("0.5", "1e999", "expected finite numbers as return"),
        ("0.5", "9" * 5000, "expected finite numbers as return"),
        ("2,best", ",best", "expected whole numbers as seed"),
        ("2,best", "2.5,best", "expected whole numbers as seed"),
        ("2,best", "1,best", "expected one row for each seed and policy"),
    ],
)
def test_an_invalid_table_is_reported_with_its_file(tmp_path, old, new, expected):
    (tmp_path / "a.csv").write_text(TABLE.replace(old, new))
    with pytest.raises(DamagedFileError, match=rf"a\.csv: {expected}"):
        results.read_table(tmp_path / "a.csv", ["seed", "policy"], ["return"])
