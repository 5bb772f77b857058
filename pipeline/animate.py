"""The animate stage: videos and pictures of the median seed's training and policy, and the explorer of all seeds.

They go into `results/animate/`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ddpg.algorithm.action_value import ActionValue
from ddpg.algorithm.policy import Policy
from ddpg.environments import pictures, running_statistics
from ddpg.environments.interface import Environment, make
from ddpg.files import DamagedFileError, replacing
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
from ddpg.visualizations.rollout import film_agent_steps
from pipeline import results, stage, tracking
from pipeline.exploration import page_of_seeds
from pipeline.params import Params
from pipeline.provenance.result import Result
from pipeline.stages import EVALUATE, TRAIN

MEASURES: tuple[Measure, ...] = ("test_return", "validation_return", "training_return")
"""In order of preference for the learning curves: the first with values is drawn."""
ROLLOUT = "rollout.mp4"


def animate(params: Params) -> None:
    """Draws everything and records it."""
    evaluated, settings = Result(params=params.model_dump(mode="json")), params.animate
    history = TrainingHistory.load(evaluated.path(TRAIN, f"seeds/{evaluated.median_seed}/history.npz"))
    training = evaluated.read_training([*MEASURES, "is_best"])
    trajectories, policy = (evaluated.path(EVALUATE, name) for name in ("trajectories.npz", "policy"))
    episodes = load_episodes(trajectories)[: max(1, settings.rollout_episodes)]
    results.ANIMATE.mkdir(parents=True, exist_ok=True)

    for name in ("training.mp4", "training.gif"):
        write_training_animation(
            history,
            results.ANIMATE / name,
            settings.fps,
            settings.every_n_steps,
            gif_width=settings.gif_width,
            gif_frames=settings.gif_frames,
        )
    draw_poster(history, results.ANIMATE / "poster.png")
    action_value = ActionValue.load(policy)
    assert history.grid is not None  # the train stage always takes snapshots
    try:
        explore(params, evaluated, episodes, policy)
        film(params, episodes[: settings.rollout_episodes], action_value, policy, history.grid)
    except ValueError as error:  # recorded in another environment or from other start states
        raise DamagedFileError(f"{trajectories}: {error}") from error
    draw_policy(params, Policy.load(policy), episodes, history.grid)
    draw_learning_curves(
        training,
        results.ANIMATE / "learning_curves.png",
        history.reward_threshold,
        next(measure for measure in MEASURES if training[measure].notna().any()),
        rng=generator(params.evaluate.seed, Stream.BOOTSTRAP),
    )
    tracking.record("animate", evaluated.params, results.RESULTS)


def explore(params: Params, evaluated: Result, episodes: Sequence[EpisodeHistory], policy: Path) -> None:
    """Writes the explorer, with pictures of the recorded episodes if the environment draws some."""
    frames = []
    if not pictures.problem(params.environment.id, params.environment.kwargs):
        with make(params.environment.id, params.environment.kwargs, render_mode="rgb_array") as env:
            running_statistics.restore(env, policy)
            seeds = evaluation_seeds(params, len(episodes))
            repeat = params.train.action_repeat
            frames = [film_agent_steps(env, each, seed, repeat) for each, seed in zip(episodes, seeds, strict=True)]
    with replacing(results.ANIMATE / "explorer.html") as temporary:
        temporary.write_text(page_of_seeds(evaluated, episodes, frames), encoding="utf-8")


def evaluation_seeds(params: Params, n_episodes: int) -> list[int]:
    """Those that the evaluation's first episodes start from."""
    return [episode_seed(params.evaluate.seed, Stream.EVALUATION_EPISODES, i) for i in range(n_episodes)]


def film(
    params: Params, episodes: Sequence[EpisodeHistory], action_value: ActionValue, policy: Path, grid: GridAxes
) -> None:
    """Films recorded episodes side by side, or their paths in the grid's plane if the environment draws no pictures.

    Of no episodes it writes a film of one empty frame, as DVC expects the file.
    """
    if not episodes:
        write_mp4([np.full((64, 64, 3), 255, np.uint8)], results.ANIMATE / "rollout.mp4", params.animate.rollout_fps)
        return
    frames_per_second = params.animate.rollout_fps
    frames_at_end = frames_per_second // 2
    problem = pictures.problem(params.environment.id, params.environment.kwargs)
    if problem:
        print(f"warning: {ROLLOUT} shows paths of the state, not the environment: {problem}", file=sys.stderr)
    options = {} if problem else {"render_mode": "rgb_array"}

    def make_env() -> Environment:
        env = make(params.environment.id, params.environment.kwargs, **options)
        running_statistics.restore(env, policy)
        return env

    frames = render_rollout(
        make_env,
        episodes,
        evaluation_seeds(params, len(episodes)),
        params.train.action_repeat,
        action_value=action_value,
        frames_at_end=frames_at_end,
        plane=(grid.x_dimension, grid.y_dimension) if problem else None,
    )
    # The first state, then each step of the longest episode, then its last frame repeated.
    n_frames = 1 + max(episode.environment_steps for episode in episodes) + frames_at_end
    progress = tqdm(frames, ROLLOUT, n_frames, unit="frame", disable=None)
    write_mp4(progress, results.ANIMATE / ROLLOUT, frames_per_second)


def draw_policy(params: Params, policy: Policy, episodes: Sequence[EpisodeHistory], grid: GridAxes) -> None:
    """Draws a policy's phase portrait with the paths of its episodes."""
    with make(params.environment.id, params.environment.kwargs) as env:
        draw_phase_portrait(
            env,
            policy,
            episodes,
            results.ANIMATE / "phase_portrait.png",
            params.train.action_repeat,
            x_dimension=grid.x_dimension,
            y_dimension=grid.y_dimension,
            action_dimension=grid.action_dimension,
        )


if __name__ == "__main__":
    stage.run(animate, "Draws the training animation and films the policy, into results/animate/.")
