import numpy as np

from ddpg.history import TrainingHistory
from ddpg.visualizations.networks_picture import NetworksPicture
from ddpg.visualizations.training_picture import TrainingPicture


def test_is_the_training_picture_down_to_the_charts(history: TrainingHistory) -> None:
    snapshot = history.snapshots[2]
    frame = NetworksPicture(history).draw(snapshot)
    whole = TrainingPicture(history, (960, 540), colour_scale="frame").draw(snapshot)
    assert frame.shape == (290, 960, 3)
    # The colour bars and what is below; there are no paths above.
    np.testing.assert_array_equal(frame[240:], whole[240:290, :, :3])


def test_needs_no_episode_and_keeps_its_frames(history: TrainingHistory) -> None:
    without = TrainingHistory(("x", "y"), ("force",), history.action_low, history.action_high, grid=history.grid)
    picture, drawn = NetworksPicture(without), NetworksPicture(history)
    first, second = (picture.draw(snapshot) for snapshot in history.snapshots[:2])
    assert (first != second).any()
    assert (first == picture.draw(history.snapshots[0])).all()
    assert drawn.draw(history.snapshots[0]).shape == first.shape
