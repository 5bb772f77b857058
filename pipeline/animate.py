"""The animate stage: pictures of the median seed's training and of its policy at work, into `results/animate/`."""

from collections.abc import Iterable, Iterator

import pandas as pd
from tqdm import tqdm

from ddpg.environment import dimension_names, make
from ddpg.history import TrainingHistory, load_episodes
from ddpg.seeding import Stream, episode_seed
from ddpg.visualizations import (
    draw_learning_curves,
    draw_poster,
    render_rollout,
    render_training,
    select_snapshots,
    write_gif,
    write_mp4,
)
from ddpg.visualizations.learning_curves import Measure
from ddpg.visualizations.video import Frame
from pipeline import results, stage, tracking
from pipeline.params import Params

MEASURES: tuple[Measure, ...] = ("test_return", "validation_return", "training_return")
"""What the learning curves show: the first that there is."""


def animate(params: Params) -> None:
    """Draws all pictures and records them."""
    seed = results.read_json(results.require(results.EVALUATE / "metrics.json", "evaluate"))["median_seed"]
    history = TrainingHistory.load(results.require(results.seed_folder(seed) / "history.npz", "train"))
    results.ANIMATE.mkdir(parents=True, exist_ok=True)

    every_n_steps = params.animate.every_n_steps
    n_frames = len(select_snapshots(history, every_n_steps))
    frames = _with_progress(render_training(history, every_n_steps), "training.mp4", n_frames)
    write_mp4(frames, results.ANIMATE / "training.mp4", params.animate.fps)
    frames = _with_progress(render_training(history, every_n_steps), "training.gif", n_frames)
    write_gif(
        frames,
        results.ANIMATE / "training.gif",
        params.animate.fps,
        params.animate.gif_width,
        params.animate.gif_frames,
    )
    frames = _with_progress(film_policy(params), "rollout.mp4", None)
    write_mp4(frames, results.ANIMATE / "rollout.mp4", params.animate.rollout_fps)
    draw_poster(history, results.ANIMATE / "poster.png")
    training = pd.read_csv(results.require(results.TRAIN / "episodes.csv", "train"))
    measure = next(name for name in MEASURES if training[name].notna().any())
    draw_learning_curves(training, results.ANIMATE / "learning_curves.png", history.reward_threshold, measure)
    tracking.record("animate", params.model_dump(mode="json"), results.RESULTS)


def film_policy(params: Params) -> Iterator[Frame]:
    """The first evaluation episodes of the median seed's best policy, in the environment's own rendering."""
    episodes = load_episodes(results.require(results.EVALUATE / "trajectories.npz", "evaluate"))
    episodes = episodes[: params.animate.rollout_episodes]
    seeds = [episode_seed(params.evaluate.seed, Stream.EVALUATION_EPISODES, i) for i in range(len(episodes))]
    with make(params.environment.id, params.environment.kwargs, render_mode="rgb_array") as env:
        _, action_names = dimension_names(env)
        yield from render_rollout(env, episodes, seeds, params.train.action_repeat, action_names)


def _with_progress(frames: Iterable[Frame], name: str, total: int | None) -> Iterator[Frame]:
    """Shows a bar on a terminal only."""
    return iter(tqdm(frames, name, total, unit="frame", disable=None))


if __name__ == "__main__":
    stage.run(animate, "Draws the training animation and films the policy, into results/animate/.")
