"""Pictures of a training: animations, posters, replayed episodes and learning curves."""

from ddpg.visualizations.animation import create_animation, draw_poster, render_training, write_training_animation
from ddpg.visualizations.learning_curves import draw_learning_curves
from ddpg.visualizations.live import LiveReturns
from ddpg.visualizations.networks_picture import NetworksPicture
from ddpg.visualizations.phase_portrait import draw_phase_portrait
from ddpg.visualizations.rollout import render_episode, render_rollout, side_by_side, write_rollout
from ddpg.visualizations.timeline import select_snapshots
from ddpg.visualizations.video import write_gif, write_mp4

__all__ = [
    "LiveReturns",
    "NetworksPicture",
    "create_animation",
    "draw_learning_curves",
    "draw_phase_portrait",
    "draw_poster",
    "render_episode",
    "render_rollout",
    "render_training",
    "select_snapshots",
    "side_by_side",
    "write_gif",
    "write_mp4",
    "write_rollout",
    "write_training_animation",
]
