"""Pictures of a training: animations, posters, replayed episodes and learning curves."""

from ddpg.visualizations.animation import create_animation, draw_poster, render_training, write_training_animation
from ddpg.visualizations.learning_curves import draw_learning_curves
from ddpg.visualizations.rollout import render_rollout, write_rollout
from ddpg.visualizations.timeline import select_snapshots
from ddpg.visualizations.video import write_gif, write_mp4

__all__ = [
    "create_animation",
    "draw_learning_curves",
    "draw_poster",
    "render_rollout",
    "render_training",
    "select_snapshots",
    "write_gif",
    "write_mp4",
    "write_rollout",
    "write_training_animation",
]
