from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from ddpg.evaluation.statistics import bootstrap, interquartile_mean
from ddpg.visualizations import draw_learning_curves
from ddpg.visualizations.figure import new_figure
from ddpg.visualizations.learning_curves import draw_group


@pytest.fixture
def episodes() -> pd.DataFrame:
    """Four seeds of three episodes; the interquartile mean of the test returns is 1, 2.5 and 7.5.

    The third seed has no last test return, and counts with the one before.
    """
    return pd.DataFrame(
        {
            "seed": [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3],
            "episode": [1, 2, 3] * 4,
            "is_best": [True, True, False, False, False, True, True, False, True, False, False, False],
            "training_return": 0.0,
            "test_return": [-5.0, 2.0, 8.0, 0.0, -100.0, 9.0, 2.0, 3.0, np.nan, 200.0, 100.0, 7.0],
            "other": "x",
        }
    )


def draw(episodes: pd.DataFrame, **options: str) -> Axes:
    axes = new_figure(4, 3).add_subplot()
    draw_group(axes, episodes, "test_return", 0.9, 50, np.random.default_rng(1), **options)
    return axes


def test_every_seed_the_interquartile_mean_and_the_best_checkpoints(episodes: pd.DataFrame) -> None:
    axes = draw(episodes, colour="#123456")
    *seeds, mean, best = axes.lines
    drawn = [np.asarray(seed.get_ydata()).tolist() for seed in seeds]
    assert drawn == [[-5, 2, 8], [0, -100, 9], [2, 3], [200, 100, 7]]
    assert np.asarray(mean.get_xydata()).tolist() == [[1, 1], [2, 2.5], [3, 7.5]]
    # The last of a seed that has a test return; the fourth has none.
    assert np.asarray(best.get_xydata()).tolist() == [[2, 2], [3, 9], [1, 2]]
    assert {line.get_color() for line in axes.lines} == {"#123456"}


def test_a_seed_whose_training_ended_earlier_counts_as_it_was(episodes: pd.DataFrame) -> None:
    _, mean = draw(episodes[~((episodes["seed"] == 1) & (episodes["episode"] > 1)) & (episodes["seed"] < 2)]).lines[1:3]
    assert np.asarray(mean.get_xydata()).tolist() == [[1, -2.5], [2, 1], [3, 4]]


def test_the_band_is_the_bootstrap_interval_at_each_episode(episodes: pd.DataFrame) -> None:
    (band,) = draw(episodes).collections
    first = bootstrap(np.array([-5.0, 0, 2, 200]), interquartile_mean, 0.9, 50, np.random.default_rng(1))
    vertices = np.asarray(band.get_paths()[0].vertices)
    edges = vertices[vertices[:, 0] == 1, 1]
    assert first.low < -100  # the lowest return, to which the band is clipped
    assert (edges.min(), edges.max()) == (-100, first.high)


def test_the_mean_begins_when_every_seed_has_a_value(episodes: pd.DataFrame) -> None:
    late = episodes["seed"].eq(3) & episodes["episode"].eq(1)
    axes = draw(episodes.assign(test_return=episodes["test_return"].mask(late)))
    mean = axes.lines[-2]
    assert np.asarray(mean.get_xydata()).tolist() == [[2, 2.5], [3, 7.5]]
    (band,) = axes.collections
    assert np.asarray(band.get_paths()[0].vertices)[:, 0].min() == 2


def test_a_single_seed_is_only_its_curve(episodes: pd.DataFrame) -> None:
    axes = draw(episodes[episodes["seed"] == 1])
    curve, best = axes.lines
    assert np.asarray(curve.get_ydata()).tolist() == [0, -100, 9]
    assert np.asarray(best.get_xydata()).tolist() == [[3, 9]]
    assert not axes.collections


def test_the_measure_and_the_threshold_are_drawn(episodes: pd.DataFrame, tmp_path: Path) -> None:
    draw_learning_curves(episodes, tmp_path / "test.svg", 90)
    draw_learning_curves(episodes, tmp_path / "training.svg", measure="training_return")
    test, training = ((tmp_path / f"{name}.svg").read_text() for name in ("test", "training"))
    assert "<!-- solved (90) -->" in test
    assert "<!-- test return -->" in test
    assert "solved" not in training
    assert "<!-- training return -->" in training
