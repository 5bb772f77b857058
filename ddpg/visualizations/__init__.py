"""Pictures and videos of a training and of a policy.

Where to change what:

- training animation and poster: `animation` (files, processes), `timeline` (which snapshots become frames),
  `training_picture` (layout of one frame), `panels` (networks on the state grid), `charts` (returns and traces)
- explorer: `explorer` (what the page holds), `explorer_page` (the page: HTML, CSS, JavaScript)
- rollout video: `rollout` (replays episodes), `rollout_picture` (one frame of one episode)
- learning curves: `learning_curves`; phase portrait: `phase_portrait`
- notebooks: `notebook` (player, embedded video, live returns)
- shared: `figure` (figures, colours, how numbers are written), `text` (fast text), `video` (mp4 and gif)
"""

from ddpg.visualizations.animation import (
    create_animation,
    write_training_animation,
    write_training_pictures,
)
from ddpg.visualizations.explorer import create_explorer
from ddpg.visualizations.learning_curves import draw_learning_curves
from ddpg.visualizations.notebook import LiveReturns
from ddpg.visualizations.phase_portrait import draw_phase_portrait
from ddpg.visualizations.rollout import render_rollout
from ddpg.visualizations.timeline import select_snapshots
from ddpg.visualizations.training_picture import NetworksPicture
from ddpg.visualizations.video import write_mp4

__all__ = [
    "LiveReturns",
    "NetworksPicture",
    "create_animation",
    "create_explorer",
    "draw_learning_curves",
    "draw_phase_portrait",
    "render_rollout",
    "select_snapshots",
    "write_mp4",
    "write_training_animation",
    "write_training_pictures",
]
