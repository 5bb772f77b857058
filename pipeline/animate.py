"""The animate stage: pictures of the median seed's training and of its policy at work, into `results/animate/`."""

from collections.abc import Sequence
from functools import partial

from tqdm import tqdm

from ddpg.algorithm.action_value import ActionValue
from ddpg.algorithm.policy import Policy
from ddpg.environments.interface import make
from ddpg.files import DamagedFileError
from ddpg.history import EpisodeHistory, GridAxes, TrainingHistory, load_episodes
from ddpg.seeding import Stream, episode_seed, generator
from ddpg.visualizations import (
    draw_learning_curves,
    draw_phase_portrait,
    draw_poster,
    render_rollout,
    write_mp4,
    write_training_animation,
)
from ddpg.visualizations.learning_curves import Measure
from pipeline import results, stage, tracking
from pipeline.params import Params

MEASURES: tuple[Measure, ...] = ("test_return", "validation_return", "training_return")
"""What the learning curves show: the first that there is."""
POLICY = results.EVALUATE / "policy"
TRAJECTORIES = results.EVALUATE / "trajectories.npz"


def animate(params: Params) -> None:
    """Draws all pictures and records them."""
    seed = results.median_seed(results.require(results.EVALUATE / "metrics.json", "evaluate"))
    history = TrainingHistory.load(results.require(results.seed_folder(seed) / "history.npz", "train"))
    table = results.require(results.TRAIN / "episodes.csv", "train")
    training = results.read_table(table, ["seed", "episode"], [*MEASURES, "is_best"])
    episodes = load_episodes(results.require(TRAJECTORIES, "evaluate"))
    results.require(POLICY, "evaluate")
    results.ANIMATE.mkdir(parents=True, exist_ok=True)

    for name in ("training.mp4", "training.gif"):
        write_training_animation(
            history,
            results.ANIMATE / name,
            params.animate.fps,
            params.animate.every_n_steps,
            gif_width=params.animate.gif_width,
            gif_frames=params.animate.gif_frames,
        )
    draw_poster(history, results.ANIMATE / "poster.png")
    film_policy(params, episodes)
    draw_policy(params, episodes, history.grid)
    draw_learning_curves(
        training,
        results.ANIMATE / "learning_curves.png",
        history.reward_threshold,
        next(measure for measure in MEASURES if training[measure].notna().any()),
        rng=generator(params.evaluate.seed, Stream.BOOTSTRAP),
    )
    tracking.record("animate", params.model_dump(mode="json"), results.RESULTS)


def film_policy(params: Params, episodes: Sequence[EpisodeHistory]) -> None:
    """The first evaluation episodes of the median seed's best policy, side by side in the environment's pictures."""
    filmed = episodes[: params.animate.rollout_episodes]
    seeds = [episode_seed(params.evaluate.seed, Stream.EVALUATION_EPISODES, i) for i in range(len(filmed))]
    frames = render_rollout(
        partial(make, params.environment.id, params.environment.kwargs, render_mode="rgb_array"),
        filmed,
        seeds,
        params.train.action_repeat,
        action_value=ActionValue.load(POLICY),
        frames_at_end=params.animate.rollout_fps // 2,
    )
    # As many as the longest episode has steps, its first state, and its last again and again.
    n_frames = max(episode.environment_steps for episode in filmed) + 1 + params.animate.rollout_fps // 2
    try:
        write_mp4(
            tqdm(frames, "rollout.mp4", n_frames, unit="frame", disable=None),
            results.ANIMATE / "rollout.mp4",
            params.animate.rollout_fps,
        )
    except ValueError as error:
        raise DamagedFileError(f"{TRAJECTORIES}: {error}") from error


def draw_policy(params: Params, episodes: Sequence[EpisodeHistory], grid: GridAxes | None) -> None:
    """The phase portrait of the median seed's best policy, with the paths of the episodes that are filmed."""
    assert grid is not None  # the train stage always takes snapshots
    with make(params.environment.id, params.environment.kwargs) as env:
        draw_phase_portrait(
            env,
            Policy.load(POLICY),
            episodes[: params.animate.rollout_episodes],
            results.ANIMATE / "phase_portrait.png",
            params.train.action_repeat,
            x_dimension=grid.x_dimension,
            y_dimension=grid.y_dimension,
            action_dimension=grid.action_dimension,
        )


if __name__ == "__main__":
    stage.run(animate, "Draws the training animation and films the policy, into results/animate/.")
