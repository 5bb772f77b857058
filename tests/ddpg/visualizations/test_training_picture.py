from collections.abc import Callable

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from ddpg.history import TrainingHistory
from ddpg.visualizations.panels import TEST_COLOUR, TRAINING_COLOUR
from ddpg.visualizations.training_picture import TrainingPicture
from ddpg.visualizations.video import Frame

SMALL = 640, 360
# Rows and columns of panels in the full picture, left to right.
GRID_ROWS = slice(80, 276)
GRID_LEFTS = (84, 328, 572, 816, 1060)
RETURNS = slice(420, 620), slice(84, 400)


def cell(frame: Frame, panel: int, row: int, column: int) -> NDArray[np.uint8]:
    """The colour in the middle of a cell of a 4 by 4 grid; row 0 is the lowest."""
    y, x = GRID_ROWS.stop - round((row + 0.5) * 49), GRID_LEFTS[panel] + round((column + 0.5) * 49)
    colour: NDArray[np.uint8] = frame[y, x]
    return colour


def count(frame: Frame, colour: str) -> int:
    return int((np.abs(frame / 255 - to_rgb(colour)).max(axis=-1) < 0.02).sum())


def colour_of(colour_map: str, share: float) -> list[float]:
    return list(matplotlib.colormaps[colour_map](share, bytes=True)[:3])


def test_panels_have_the_colours_of_their_values(history: TrainingHistory) -> None:
    # Paths would cover cells.
    for episode in [*history.training_episodes, *history.test_episodes]:
        episode.observations[:] = 100
    frame = TrainingPicture(history).draw(history.snapshots[-1])
    assert frame.shape == (720, 1280, 3)
    assert cell(frame, 4, 0, 0).tolist() == colour_of("RdBu", 0.0)
    for row, column in [(3, 0), (0, 3), (3, 3)]:
        assert cell(frame, 4, row, column).tolist() == colour_of("RdBu", 0.5)
    assert cell(frame, 0, 1, 1).tolist() == colour_of("viridis", 1.0)
    assert cell(frame, 2, 1, 1).tolist() == colour_of("PuOr", 1.0)


def test_colour_scales_are_those_of_the_whole_training(history: TrainingHistory) -> None:
    picture = TrainingPicture(history)
    first, last = (cell(picture.draw(history.snapshots[i]), 0, 3, 0).tolist() for i in (0, -1))
    assert first == colour_of("viridis", 0.0)
    assert last == colour_of("viridis", 1.0)


def test_paths_are_those_of_the_current_episodes(history: TrainingHistory) -> None:
    for episode in [*history.training_episodes, *history.test_episodes]:
        episode.observations[:] = 100
    # On the boundary of two cells, out of the way of the other episodes' paths.
    history.training_episodes[1].observations[:3] = 0.5, 0.5
    history.training_episodes[1].observations[3:] = -0.5, 0.5
    history.test_episodes[0].observations[:] = 0.5, -0.5
    picture = TrainingPicture(history)
    panels = [(GRID_ROWS, slice(left, left + 196)) for left in GRID_LEFTS]
    training_dots, test_dots = [], []
    for snapshot in history.snapshots[:4]:
        frame = picture.draw(snapshot)
        training_dots.append(count(frame[panels[4]], TRAINING_COLOUR))
        test_dots.append(count(frame[panels[0]], TEST_COLOUR))
    # Steps 2, 4, 6 and 8: the second episode starts after step 4, and moves after its second step.
    assert training_dots[0] == training_dots[1] == 0
    assert 0 < training_dots[2] < training_dots[3]
    assert test_dots[0] == 0
    assert test_dots[1] > 0


def test_returns_appear_when_their_episode_is_finished(history: TrainingHistory) -> None:
    picture = TrainingPicture(history)
    frames = [picture.draw(snapshot)[RETURNS] for snapshot in history.snapshots]
    for colour in (TRAINING_COLOUR, TEST_COLOUR):
        # Episodes end after steps 4 and 10 (and 15); snapshots are at steps 2, 4, …, 14.
        dots = [count(frame, colour) for frame in frames]
        assert dots[0] == 0
        assert 0 < dots[1] == dots[2] == dots[3] < dots[4] == dots[5] == dots[6]


def test_a_return_off_the_scale_is_at_the_edge(history: TrainingHistory) -> None:
    for episode in history.training_episodes[1:]:
        episode.rewards[:] = 0
    history.test_episodes *= 20
    history.training_episodes[0].rewards[:] = -1e6
    frame = TrainingPicture(history).draw(history.snapshots[2])
    at_the_lower_edge = frame[612:626, RETURNS[1]]
    assert count(at_the_lower_edge, TRAINING_COLOUR) > 10


def test_a_frame_does_not_depend_on_those_before(history: TrainingHistory) -> None:
    picture = TrainingPicture(history, SMALL)
    there = [picture.draw(snapshot) for snapshot in history.snapshots]
    back = [picture.draw(snapshot) for snapshot in reversed(history.snapshots)]
    for frame, again in zip(there, reversed(back), strict=True):
        np.testing.assert_array_equal(frame, again)
    assert not np.array_equal(there[0], there[1])


@pytest.mark.parametrize("size", [(640, 360), (320, 180), (500, 500)])
def test_sizes(history: TrainingHistory, size: tuple[int, int]) -> None:
    assert TrainingPicture(history, size).draw(history.snapshots[0]).shape == (size[1], size[0], 3)


@pytest.mark.parametrize(("size", "n_y"), [(1, 1), (9, 4)])
def test_few_and_many_state_dimensions(
    history_of: Callable[..., TrainingHistory], size: int, n_y: int, recwarn: pytest.WarningsRecorder
) -> None:
    history = history_of(size=size, n_y=n_y)
    TrainingPicture(history, SMALL).draw(history.snapshots[-1])
    assert not recwarn.list


def test_histories_without_tests_or_threshold(history: TrainingHistory) -> None:
    history.test_episodes.clear()
    history.reward_threshold = None
    TrainingPicture(history, SMALL).draw(history.snapshots[-1])


def test_an_interrupted_training(history: TrainingHistory) -> None:
    history.training_episodes.clear()
    history.test_episodes.clear()
    TrainingPicture(history, SMALL).draw(history.snapshots[-1])


def test_diverged_networks(history: TrainingHistory) -> None:
    broken = history.snapshots[-1]
    broken.q_max[:], broken.policy[:] = np.nan, np.nan
    TrainingPicture(history, SMALL).draw(broken)


def test_no_grid(history: TrainingHistory) -> None:
    history.grid = None
    with pytest.raises(ValueError, match="expected the axes of the snapshots, received None"):
        TrainingPicture(history)
