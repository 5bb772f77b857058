import base64

import pytest
from jinja2 import UndefinedError

from pipeline.reports.page import data_uri, render

ATTACK = "<script>alert(1)</script>\"'"
RESULT = {
    "environment": ATTACK,
    "name": ATTACK,
    "origin": ATTACK,
    "seeds": [1, 2],
    "figures": [("Worst seed", "-93.46", "return")],
    "curves": [("data:image/svg+xml;base64,AAAA", "Return")],
    "table": [{ATTACK: ATTACK, "best_return": float("nan"), "final_return": -0.5, "steps": 7661.0, "solved": True}],
    "explorer": f'<h1 title="{ATTACK}">explorer</h1>',
    "films": [("data:video/mp4;base64,AAAA", "Training"), ("data:image/png;base64,AA", "Field")],
    "params": {ATTACK: {ATTACK: ATTACK}},
    "recipe": ["git checkout 1234567890", "make repro"],
}


def test_a_page_escapes_its_values_and_shows_numbers():
    page = render("result.html", **RESULT)
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;") >= 7
    for text in ("−93.46", *(f'"number">{cell}</td>' for cell in ("–", "−0.50", "7,661", "True"))):
        assert text in page
    assert page.count("<video") == 1
    # What the frame shows is its own page; around it, its text is text.
    assert 'srcdoc="&lt;h1 title=&#34;&lt;script&gt;' in page
    assert "<h1 title" not in page


def test_a_missing_value_is_an_error():
    with pytest.raises(UndefinedError, match="environment"):
        render("result.html", **{name: value for name, value in RESULT.items() if name != "environment"})


def test_a_file_becomes_an_address_that_holds_it(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"film")
    kind, _, data = data_uri(tmp_path / "a.mp4").partition(",")
    assert kind == "data:video/mp4;base64"
    assert base64.b64decode(data) == b"film"
