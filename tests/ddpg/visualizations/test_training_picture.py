from collections.abc import Callable

import matplotlib
import numpy as np
import pytest
from matplotlib.axis import XAxis
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from ddpg.history import TrainingHistory
from ddpg.visualizations.figure import TEST_COLOUR, TRAINING_COLOUR
from ddpg.visualizations.training_picture import NetworksPicture, TrainingPicture
from ddpg.visualizations.video import Frame

pytestmark = pytest.mark.slow

SMALL = 640, 360
# Pixels of the panels in the full-size picture, left to right.
GRID_ROWS = slice(80, 276)
GRID_LEFTS = (84, 328, 572, 816, 1060)
RETURNS = slice(420, 620), slice(84, 400)


def cell(frame: Frame, panel: int, row: int, column: int) -> NDArray[np.uint8]:
    """The colour in the middle of a cell of a 4 by 4 grid; row 0 is the lowest."""
    y, x = GRID_ROWS.stop - round((row + 0.5) * 49), GRID_LEFTS[panel] + round((column + 0.5) * 49)
    colour: NDArray[np.uint8] = frame[y, x, :3]
    return colour


def count(frame: Frame, colour: str, tolerance: float = 0.02) -> int:
    return int((np.abs(frame[..., :3] / 255 - to_rgb(colour)).max(axis=-1) < tolerance).sum())


def colour_of(colour_map: str, share: float) -> list[float]:
    return list(matplotlib.colormaps[colour_map](share, bytes=True)[:3])


def hide_paths(history: TrainingHistory) -> None:
    """Moves the paths, which would cover cells, out of the grid."""
    for episode in [*history.training_episodes, *history.test_episodes]:
        episode.observations[:] = 100


def test_panels_have_the_colours_of_their_values(history: TrainingHistory) -> None:
    hide_paths(history)
    frame = TrainingPicture(history).draw(history.snapshots[-1])
    assert frame.shape == (720, 1280, 4)
    assert cell(frame, 4, 0, 0).tolist() == colour_of("RdBu", 0.0)
    for row, column in [(3, 0), (0, 3), (3, 3)]:
        assert cell(frame, 4, row, column).tolist() == colour_of("RdBu", 0.5)
    assert cell(frame, 0, 1, 1).tolist() == colour_of("viridis", 1.0)
    assert cell(frame, 2, 1, 1).tolist() == colour_of("PuOr", 1.0)


def test_paths_are_those_of_the_current_episodes(history: TrainingHistory) -> None:
    hide_paths(history)
    # On the boundary of two cells, out of the way of the other episodes' paths.
    history.training_episodes[1].observations[:3] = 0.5, 0.5
    history.training_episodes[1].observations[3:] = -0.5, 0.5
    history.test_episodes[0].observations[:] = 0.5, -0.5
    picture = TrainingPicture(history)
    panels = [(GRID_ROWS, slice(left, left + 196)) for left in GRID_LEFTS]
    training, test, line = [], [], []
    for snapshot in history.snapshots[:4]:
        frame = picture.draw(snapshot)
        q_max, policy = frame[panels[0]], frame[panels[4]]
        assert count(q_max, TRAINING_COLOUR) == count(policy, TRAINING_COLOUR)
        assert count(q_max, TEST_COLOUR) == count(policy, TEST_COLOUR)
        training.append(count(policy, TRAINING_COLOUR))
        test.append(count(policy, TEST_COLOUR))
        line.append(count(policy, TRAINING_COLOUR, tolerance=0.25))
    # Steps 2, 4, 6 and 8: the second episode starts after step 4, and moves after its second step.
    assert training[0] == training[1] == 0 < training[2]
    assert line[3] > line[2] + 80
    assert test[0] == 0 < test[1]


def test_returns_appear_when_their_episode_is_finished(history: TrainingHistory) -> None:
    picture = TrainingPicture(history)
    frames = [picture.draw(snapshot)[RETURNS].copy() for snapshot in history.snapshots]
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
    there = [picture.draw(snapshot).copy() for snapshot in history.snapshots]
    back = [picture.draw(snapshot).copy() for snapshot in reversed(history.snapshots)]
    for frame, again in zip(there, reversed(back), strict=True):
        np.testing.assert_array_equal(frame, again)
    assert not np.array_equal(there[0], there[1])


@pytest.mark.parametrize("n_actions", [2, 3, 4, 5])
def test_a_policy_and_a_gradient_for_each_of_four_actions(
    history_of: Callable[..., TrainingHistory], n_actions: int
) -> None:
    history = history_of(n_actions=n_actions)
    shown = min(n_actions, 4)
    snapshot = history.snapshots[-1]
    for i in range(n_actions):
        snapshot.policy[..., i] = i / 4
        snapshot.action_gradient[..., i] = -0.5
    frame = TrainingPicture(history).draw(snapshot)
    # In the middle between top and path, over all the width.
    policies, gradients = frame[300:302], frame[100:102]
    for i in range(shown):
        assert (policies[..., :3] == colour_of("RdBu", 0.5 + i / 8)).all(axis=-1).any()
    assert not (policies[..., :3] == colour_of("RdBu", 0.5 + shown / 8)).all(axis=-1).any()
    n_edges = np.count_nonzero(np.diff((gradients[0, :, :3] == colour_of("PuOr", 0.0)).all(axis=-1).astype(int)))
    assert n_edges == 2 * shown


def test_colour_scales_of_each_frame(history: TrainingHistory) -> None:
    for i, snapshot in enumerate(history.snapshots):
        snapshot.q_max[:2] -= 10.0**i
        snapshot.action_gradient[:] = 10.0**i
    ticks = slice(338, 366), slice(80, 284)
    pictures = {scale: TrainingPicture(history, colour_scale=scale) for scale in ("run", "frame")}
    frames = {
        scale: [picture.draw(history.snapshots[i]).copy() for i in (0, -1)] for scale, picture in pictures.items()
    }
    for frame in frames["frame"]:
        assert cell(frame, 0, 0, 3).tolist() == colour_of("viridis", 0.0)
        assert cell(frame, 0, 3, 3).tolist() == colour_of("viridis", 1.0)
        assert cell(frame, 2, 3, 3).tolist() == colour_of("PuOr", 1.0)
    assert cell(frames["run"][0], 2, 3, 3).tolist() == colour_of("PuOr", 0.5)
    for scale, is_fixed in (("run", True), ("frame", False)):
        first, last = (frame[ticks] for frame in frames[scale])
        assert np.array_equal(first, last) == is_fixed


def test_colours_span_the_later_half_of_the_values_since_learning_began(history: TrainingHistory) -> None:
    snapshots = history.snapshots
    snapshots[1] = snapshots[1]._replace(q_max=snapshots[0].q_max)
    for snapshot, value in zip(snapshots[2:], (1e3, -1e3, 1, 2, 3), strict=True):
        snapshot.q_max[:] = value
    picture = TrainingPicture(history)
    shown = [cell(picture.draw(snapshot), 0, 3, 3).tolist() for snapshot in snapshots]
    low, high = colour_of("viridis", 0.0), colour_of("viridis", 1.0)
    assert shown[2:4] == [high, low]
    assert shown[4:] == [low, colour_of("viridis", 0.5), high]


def test_until_learning_begins_the_picture_says_so(history: TrainingHistory) -> None:
    first, second, third, *_ = history.snapshots
    history.snapshots[1] = second._replace(q_max=first.q_max)
    picture = TrainingPicture(history)
    title = slice(405, 432), slice(220, 400)  # beside that of the returns
    assert [bool((picture.draw(each)[title] != 255).any()) for each in (*history.snapshots[:2], third)] == [
        True,
        True,
        False,
    ]


def test_an_axis_is_drawn_once_for_each_of_its_ends(history: TrainingHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = TrainingPicture(history, SMALL)
    drawn = []
    draw = XAxis.draw
    monkeypatch.setattr(XAxis, "draw", lambda *arguments: drawn.append(1) or draw(*arguments))
    for _ in range(3):
        for snapshot in history.snapshots:
            picture.draw(snapshot)
    assert len(drawn) == 3  # training episodes of up to 5 and 10 agent steps, and tests of 3


@pytest.mark.parametrize("case", ["one state", "nine states", "no tests or threshold", "no episodes", "NaN"])
def test_unusual_histories_are_drawn(history_of: Callable[..., TrainingHistory], case: str) -> None:
    history = history_of(**{"one state": {"size": 1, "n_y": 1}, "nine states": {"size": 9}}.get(case, {}))
    if case.startswith("no "):
        history.test_episodes.clear()
        history.reward_threshold = None
    if case == "no episodes":
        history.training_episodes.clear()
    if case == "NaN":
        history.snapshots[-1].q_max[:] = np.nan
    picture = TrainingPicture(history, SMALL)
    first, last = (picture.draw(history.snapshots[i]).copy() for i in (0, -1))
    assert (first != last).any()


def test_unknown_colour_scales_and_histories_without_grid_are_rejected(history: TrainingHistory) -> None:
    with pytest.raises(ValueError, match="colour_scale: expected run or frame, received 'fixed'"):
        TrainingPicture(history, colour_scale="fixed")  # type: ignore[arg-type]
    history.grid = None
    with pytest.raises(ValueError, match=r"history\.grid: expected the axes"):
        TrainingPicture(history)


def test_the_networks_are_the_training_picture_above_the_charts(history: TrainingHistory) -> None:
    snapshot = history.snapshots[2]
    frame = NetworksPicture(history).draw(snapshot)
    complete = TrainingPicture(history, (960, 540), colour_scale="frame").draw(snapshot)
    assert frame.shape == (302, 960, 3)
    # The colour bars and what is below; the networks have no paths.
    np.testing.assert_array_equal(frame[240:], complete[240:302, :, :3])


def test_the_networks_need_no_episode_and_have_new_frames(history: TrainingHistory) -> None:
    history.training_episodes.clear()
    history.test_episodes.clear()
    picture = NetworksPicture(history)
    first, second = (picture.draw(snapshot) for snapshot in history.snapshots[:2])
    assert (first != second).any()
    assert (first == picture.draw(history.snapshots[0])).all()
