from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ddpg.visualizations.figure import new_figure, shorten, show_number, write_figure


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_equal_figures_give_equal_bytes(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        figure = new_figure(4, 3)
        axes = figure.add_subplot()
        axes.imshow(np.eye(3))
        axes.plot([0, 2], [1, 1], marker="o")
        write_figure(figure, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_metadata_has_no_date_or_version(tmp_path: Path) -> None:
    for suffix in (".png", ".svg"):
        write_figure(new_figure(4, 3), tmp_path / f"a{suffix}")
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (480, 360)
        assert not {"Software", "Date"} & set(image.info)
    svg = (tmp_path / "a.svg").read_text()
    assert "<dc:date>" not in svg
    assert "Matplotlib v" not in svg


def test_other_suffixes_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.jpg: expected the suffix"):
        write_figure(new_figure(4, 3), tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "text"), [(-4.167, "−4.17"), (0, "0"), (91.24, "91.2"), (-1216.3, "−1,216"), (0.0206, "0.0206")]
)
def test_numbers(number: float, text: str) -> None:
    assert show_number(number) == text


def test_names() -> None:
    assert shorten("velocity", 8) == "velocity"
    assert shorten("velocities", 8) == "velocit…"
