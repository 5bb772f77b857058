import math

from pipeline.reports.comparison import compare
from pipeline.reports.text import WIDTH, lines
from tests.pipeline.reports.made import result

CLOSE = [95.0, 97, 98, 94, 96]


def text_of(tmp_path, best, name="second", **changes):
    return "\n".join(lines(compare(result(tmp_path, "first", CLOSE), result(tmp_path, name, best, **changes))))


def test_says_what_differs_and_whether_it_matters(repository, tmp_path):
    text = text_of(tmp_path, [97.0, 99, 99.5, 96.5, 98], agent={"tau_actor": 0.1})
    assert "agent.tau_actor  0.3 -> 0.1" in text
    assert "5 seeds, paired: the same seeds from the same start states" in text
    assert "96.00 [" in text
    assert "+2." in text
    assert "second is better, with 5 seeds; probability of improvement" in text
    assert text.endswith("Best return: second is better, with 5 seeds.")
    assert max(map(len, text.splitlines())) <= WIDTH


def test_identical_results_need_no_table(repository, tmp_path):
    text = text_of(tmp_path, CLOSE)
    assert "Parameters: the same" in text
    assert "identical" in text
    assert "probability" not in text


def test_different_environments_have_values_but_no_difference(repository, tmp_path):
    text = text_of(tmp_path, CLOSE, environment={"id": "Pendulum-v1"})
    assert "96.00 [" in text
    assert "probability" not in text
    assert "cannot be compared" in text


def test_stays_within_the_width(repository, tmp_path):
    long = {"hidden_layer_sizes_actor": list(range(100)), "activation_fn_actor": "<script>" * 30}
    text = text_of(tmp_path, [math.nan, -12345.678, 3, 4, 5], name="a-very-long-name-of-an-experiment", agent=long)
    assert "1 of 5 seeds" in text
    assert max(map(len, text.splitlines())) <= WIDTH, text
