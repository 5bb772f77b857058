from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ddpg.visualizations import draw_learning_curves
from ddpg.visualizations.learning_curves import _draw


@pytest.fixture
def episodes() -> pd.DataFrame:
    """Three seeds of three episodes; the median test returns are 0, 2 and 8."""
    return pd.DataFrame(
        {
            "seed": [0, 0, 0, 1, 1, 1, 2, 2, 2],
            "episode": [1, 2, 3] * 3,
            "training_return": 0.0,
            "test_return": [-5.0, 2.0, 8.0, 0.0, -100.0, 9.0, 1.0, 3.0, np.nan],
            "validation_return": np.nan,
            "other": "x",
        }
    )


def test_a_png_with_the_same_bytes(episodes: pd.DataFrame, tmp_path: Path) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        draw_learning_curves(episodes, path, reward_threshold=5)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with Image.open(paths[0]) as image:
        assert image.size == (1080, 600)
        assert not {"Software", "Date"} & set(image.info)
    assert sorted(tmp_path.iterdir()) == paths


def test_every_seed_the_median_and_the_threshold(episodes: pd.DataFrame) -> None:
    returns = episodes.pivot(index="episode", columns="seed", values="test_return")
    *seeds, median, threshold = _draw(returns, 5, "test_return").axes[0].lines
    assert [np.asarray(seed.get_ydata()).tolist() for seed in seeds] == [[-5, 2, 8], [0, -100, 9], [1, 3]]
    assert np.asarray(median.get_xdata()).tolist() == [1, 2, 3]
    assert np.asarray(median.get_ydata()).tolist() == [0, 2, 8.5]
    assert np.asarray(threshold.get_ydata()).tolist() == [5, 5]


def test_the_measure_can_be_another(episodes: pd.DataFrame, tmp_path: Path) -> None:
    draw_learning_curves(episodes, tmp_path / "test.png")
    draw_learning_curves(episodes, tmp_path / "training.png", measure="training_return")
    assert (tmp_path / "test.png").read_bytes() != (tmp_path / "training.png").read_bytes()


def test_refused_arguments(episodes: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected numbers in validation_return, received none"):
        draw_learning_curves(episodes, tmp_path / "a.png", measure="validation_return")
    with pytest.raises(ValueError, match=r"expected the columns \['seed'\] too, received"):
        draw_learning_curves(episodes.drop(columns="seed"), tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"expected the suffix \.png, received '\.jpg'"):
        draw_learning_curves(episodes, tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())
