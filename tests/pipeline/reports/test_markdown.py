import re

from pipeline.reports.comparison import compare
from pipeline.reports.markdown import escape, markdown_of
from tests.pipeline.reports.made import result

CLOSE = [95.0, 97, 98, 94, 96]


def test_escapes_what_means_something():
    assert escape("<script>|`x`_y_*z*@me") == r"&lt;script&gt;\|\`x\`\_y\_\*z\*\@me"
    assert escape("two\nlines") == "two lines"


def test_a_table_with_the_verdict(repository, tmp_path):
    baseline = result(tmp_path, "first", CLOSE)
    candidate = result(tmp_path, "second|<b>", [97.0, 99, 99.5, 96.5, 98], agent={"activation_fn_actor": "<script>|"})
    text = markdown_of([compare(baseline, candidate)])
    assert "**Best return: second\\|&lt;b&gt; is better, with 5 seeds.**" in text
    assert "| agent.activation\\_fn\\_actor | tanh | &lt;script&gt;\\| |" in text
    assert not re.search(r"<(?!/?details>|/?summary>)", text)
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(tables) == 2
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_identical_results_need_no_table(repository, tmp_path):
    text = markdown_of([compare(result(tmp_path, "first", CLOSE), result(tmp_path, "second", CLOSE))])
    assert "identical" in text
    assert "| best return" not in text
