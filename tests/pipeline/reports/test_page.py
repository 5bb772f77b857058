import base64
import re

import pytest
from jinja2 import UndefinedError

from pipeline.reports.page import data_uri, format_number, render

RESULT = {
    "environment": "Probe-v0",
    "name": "main",
    "origin": "Commit 1234567890",
    "seeds": [1, 2],
    "figures": [("Worst seed", 93.456, "return")],
    "curves": [("data:image/svg+xml;base64,AAAA", "Return")],
    "table": [{"seed": 1, "best_return": float("nan"), "diagnosis": "solved"}],
    "films": [("video", "data:video/mp4;base64,AAAA", "Training"), ("picture", "data:image/png;base64,AA", "Field")],
    "params": {"agent": {"agent.lr_actor": 0.0001}},
    "recipe": ["git checkout 1234567890", "make repro"],
}


def test_a_page_escapes_what_it_is_given():
    attack = "<script>alert(1)</script>\"'"
    page = render(
        "result.html",
        **dict.fromkeys(("environment", "name", "origin"), attack)
        | {
            **{name: value for name, value in RESULT.items() if name not in ("environment", "name", "origin")},
            "params": {attack: {attack: attack}},
            "table": [{attack: attack}],
        },
    )
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;") >= 7


def test_a_page_needs_nothing_from_elsewhere():
    page = render("result.html", **RESULT)
    sources = re.findall(r"(?:src|href|srcset|poster|action)\s*=\s*[\"']?([^\"' >]+)", page)
    assert sources
    assert all(source.startswith("data:") for source in sources)
    assert not re.search(r"https?:|@import|url\(", page)


def test_a_value_that_is_missing_is_an_error_and_no_gap():
    with pytest.raises(UndefinedError, match="environment"):
        render("result.html", **{name: value for name, value in RESULT.items() if name != "environment"})


def test_a_file_becomes_an_address_that_holds_it(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"film")
    kind, _, data = data_uri(tmp_path / "a.mp4").partition(",")
    assert kind == "data:video/mp4;base64"
    assert base64.b64decode(data) == b"film"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (93.456, "93.46"),
        (-0.5, "−0.50"),
        (7661.0, "7,661"),
        (12, "12"),
        (None, "–"),
        (float("nan"), "–"),
        ("a-b", "a-b"),
    ],
)
def test_numbers_as_people_read_them(value, text):
    assert format_number(value) == text
