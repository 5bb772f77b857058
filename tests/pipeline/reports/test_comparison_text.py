import math
import re

import pytest

from pipeline.reports.comparison import Comparison
from pipeline.reports.comparison_text import WIDTH, escape, lines_of, markdown_of
from tests.pipeline.reports.made import result

CLOSE, BETTER = [95.0, 97, 98, 94, 96], [97.0, 99, 99.5, 96.5, 98]


@pytest.fixture
def versus(repository, tmp_path):
    """Compares made-up results with a baseline, and returns the comparison as text and as Markdown."""

    def versus(best, name="second", **changes):
        comparison = Comparison(result(tmp_path, "first", CLOSE), result(tmp_path, name, best, **changes))
        return "\n".join(lines_of(comparison)), markdown_of([comparison])

    return versus


def test_says_what_differs_and_whether_it_matters(versus):
    text, _ = versus(BETTER, agent={"tau_actor": 0.1})
    assert "agent.tau_actor  0.3 → 0.1" in text
    assert "Packages: the same" in text
    assert "5 seeds, the same from the same start states: paired where scores correlate" in text
    assert "paired: correlation 1.00, beyond ±0.69" in " ".join(text.split())
    assert re.search(r"best return +96\.00 \[.*\] +98\.00 \[.*\] +\+2\.00 \[", text)
    assert "second is better, with 5 seeds; probability of improvement" in text
    assert text.endswith("Best return: second is better, with 5 seeds.")


def test_says_why_seeds_are_not_paired(versus):
    for text in versus([96.0, 95, 97, 96, 99]):
        assert "not paired: correlation 0.10, within ±0.69" in " ".join(text.split())
    for text in versus(BETTER, seeds=(6, 7, 8, 9, 10)):
        assert "5 seeds, not paired" in text
        assert "correlation" not in text


def test_text_stays_within_the_width(versus):
    long = {"hidden_layer_sizes_actor": list(range(100)), "activation_fn_actor": "<script>" * 30}
    text, _ = versus([math.nan, -12345.678, 3, 4, 5], name="a-very-long-name-of-an-experiment", agent=long)
    assert "1 of 5 seeds" in text
    assert max(map(len, text.splitlines())) <= WIDTH, text


def test_identical_results_need_no_table(versus):
    for text in versus(CLOSE):
        assert "identical" in text
        assert "est return" not in text


def test_an_edit_comes_before_the_scores_and_one_that_was_not_run_is_no_result(versus, monkeypatch):
    for text in versus(BETTER, agent={"tau_actor": 0.1}):
        assert text.index("0.1") < text.index("+2.00")
    monkeypatch.setattr("pipeline.provenance.result.Result.is_edited", property(lambda result: result.name == "second"))
    for text in versus(CLOSE):
        assert "identical" not in text
        assert "still the same: second was edited, and not run since" in " ".join(text.split())


def test_different_environments_have_values_but_no_difference(versus):
    for text in versus(CLOSE, environment={"id": "Pendulum-v1"}):
        assert "96.00 [" in text
        assert "cannot be compared" in text
        assert "improvement 5" not in text


def test_markdown_has_a_verdict_and_tables_and_no_foreign_tags(versus):
    _, text = versus(BETTER, name="second|<b>", agent={"activation_fn_actor": "<script>|"})
    assert "**Best return: second\\|&lt;b&gt; is better, with 5 seeds.**" in text
    assert "| agent.activation\\_fn\\_actor | tanh | &lt;script&gt;\\| |" in text
    assert not re.search(r"<(?!/?details>|/?summary>)", text)
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert [len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) for table in tables] == [1, 1]


def test_escapes_what_has_a_meaning_in_markdown():
    assert escape("<script>|`x`_y_*z*@me") == r"&lt;script&gt;\|\`x\`\_y\_\*z\*\@me"
    assert escape("two\nlines") == "two lines"
