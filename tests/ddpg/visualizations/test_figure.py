from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ddpg.visualizations.figure import new_figure, write_figure


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_same_figure_is_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        figure = new_figure(4, 3)
        axes = figure.add_subplot()
        axes.imshow(np.eye(3))
        axes.plot([0, 2], [1, 1], marker="o")
        write_figure(figure, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == paths


def test_metadata_tells_no_date_or_version(tmp_path: Path) -> None:
    for suffix in (".png", ".svg"):
        write_figure(new_figure(4, 3), tmp_path / f"a{suffix}")
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (480, 360)
        assert not {"Software", "Date"} & set(image.info)
    svg = (tmp_path / "a.svg").read_text()
    assert "<dc:date>" not in svg
    assert "Matplotlib v" not in svg


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.jpg: expected the suffix \.png or \.svg, received '\.jpg'"):
        write_figure(new_figure(4, 3), tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())
