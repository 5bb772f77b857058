import math

import pytest

from pipeline.reports import formats


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (93.456, "93.46"),
        (-0.5, "-0.50"),
        (7661.5, "7,662"),
        (12, "12.00"),
        (math.inf, "∞"),
        (None, "–"),
        (math.nan, "–"),
    ],
)
def test_numbers_have_decimals_below_a_thousand(value, text):
    assert formats.show_number(value) == text


def test_a_sign_is_shown_on_request():
    assert [formats.show_number(value, 0, sign="+") for value in (1234.5, 3, -0.4)] == ["+1,234", "+3", "-0.4"]


def test_an_interval_without_bounds_is_its_value():
    assert formats.show_interval(1.0, 0.5, 1500) == "1.00 [0.50, 1,500]"
    assert formats.show_interval(0.5, None, None, formats.show_percent) == "50%"


def test_a_level_has_as_many_decimals_as_it_needs():
    assert [formats.show_level(level) for level in (0.95, 0.995)] == ["95%", "99.5%"]


def test_parameters_are_texts_or_json():
    assert [formats.show_value(value) for value in ("tanh", None, True, [1, "ä"])] == [
        "tanh",
        "null",
        "true",
        '[1, "ä"]',
    ]


def test_columns_are_aligned():
    assert formats.align([("a", "10", ""), ("long", "2", "x")], right=[1]) == ["a     10", "long   2  x"]
