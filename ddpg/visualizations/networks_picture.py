"""The networks alone, for a training under way."""

import dataclasses

from ddpg.history import Snapshot, TrainingHistory
from ddpg.visualizations.training_picture import TrainingPicture
from ddpg.visualizations.video import Frame

_WIDTH = 960  # pixels: as a PNG it takes half as long to write as one of 1280, and can still be read


class NetworksPicture:
    """The upper part of the training picture. Colour scales of Q are each frame's own: the run's are not known yet.

    Args:
        history: Names, bounds and the grid of what is drawn.

    Raises:
        ValueError: The history has no state grid.
    """

    def __init__(self, history: TrainingHistory) -> None:
        history = dataclasses.replace(history, training_episodes=[], test_episodes=[])
        self._picture = TrainingPicture(history, (_WIDTH, _WIDTH * 9 // 16), colour_scale="frame")

    def draw(self, snapshot: Snapshot) -> Frame:
        """The frame of a snapshot, of shape (height, 960, 3), in memory of its own."""
        return self._picture.draw(snapshot)[: self._picture.networks_height, :, :3].copy()
