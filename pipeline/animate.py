"""The animate stage: videos and pictures of the median seed's training and policy, and the explorer of all seeds.

They go into `results/animate/`.
"""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from ddpg.algorithm.action_value import ActionValue
from ddpg.algorithm.policy import Policy
from ddpg.environments import pictures, running_statistics
from ddpg.environments.interface import Environment, make
from ddpg.files import DamagedFileError, replacing
from ddpg.history import EpisodeHistory, GridAxes, TrainingHistory, load_episodes
from ddpg.seeding import Stream, episode_seed, generator
from pipeline import results, stage, tracking
from pipeline.errors import StageError
from pipeline.params import Params
from pipeline.provenance.result import Result
from pipeline.stages import EVALUATE, TRAIN

if TYPE_CHECKING:
    import pandas as pd

    from ddpg.visualizations.learning_curves import Measure

# Modules that draw are imported where they are used: they take longer than the rest of `--help`.

MEASURES: tuple["Measure", ...] = ("test_return", "validation_return", "training_return")
"""In order of preference for the learning curves: the first with values is drawn."""
ROLLOUT = "rollout.mp4"
MOST_FRAMES_PER_SECOND = 30
"""Of the rollout: where the environment makes more steps per second, some are not drawn."""


def animate(params: Params) -> None:
    """Draws everything and records it."""
    from ddpg.visualizations import write_training_pictures

    evaluated, settings = Result(params=params.model_dump(mode="json")), params.animate
    history = TrainingHistory.load(evaluated.path(TRAIN, f"seeds/{evaluated.median_seed}/history.npz"))
    training = evaluated.read_training([*MEASURES, "is_best"])
    trajectories, policy = (evaluated.path(EVALUATE, name) for name in ("trajectories.npz", "policy"))
    episodes = load_episodes(trajectories)[: max(1, settings.rollout_episodes)]
    results.ANIMATE.mkdir(parents=True, exist_ok=True)
    with meanwhile(draw_others, params, evaluated, history.grid, episodes, policy):
        write_training_pictures(
            history,
            results.ANIMATE / "training.mp4",
            results.ANIMATE / "training.gif",
            results.ANIMATE / "poster.png",
            settings.fps,
            settings.every_n_steps,
            gif_width=settings.gif_width,
            gif_frames=settings.gif_frames,
        )
        draw_curves(params, training, history.reward_threshold)
    tracking.record("animate", evaluated.params, results.RESULTS)


@contextmanager
def meanwhile(work: Callable[..., None], *arguments: Any) -> Iterator[None]:
    """Does some work in another process during the block, or before it on a single core; raises what it raised.

    Raises:
        StageError: The process died.
    """
    import joblib  # type: ignore[import-untyped]

    # Unlike the standard library's, its processes end with their parent, and take functions of `__main__`.
    from joblib.externals.loky import ProcessPoolExecutor  # type: ignore[import-untyped]

    if joblib.cpu_count() == 1:
        work(*arguments)
        yield
        return
    pool = ProcessPoolExecutor(max_workers=1)
    done = pool.submit(work, *arguments)
    try:
        yield
        done.result()
    except BrokenProcessPool as error:
        raise StageError("animate: a drawing process died, perhaps out of memory") from error
    finally:
        pool.shutdown(kill_workers=not done.done())


def draw_others(
    params: Params, evaluated: Result, grid: GridAxes | None, episodes: Sequence[EpisodeHistory], policy: Path
) -> None:
    """Draws all but the training: the rollout, the explorer and the phase portrait."""
    action_value = ActionValue.load(policy)
    assert grid is not None  # the train stage always takes snapshots
    try:
        explore(params, evaluated, episodes, policy)
        film(params, episodes[: params.animate.rollout_episodes], action_value, policy, grid)
    except ValueError as error:  # recorded in another environment or from other start states
        raise DamagedFileError(f"{evaluated.path(EVALUATE, 'trajectories.npz')}: {error}") from error
    draw_policy(params, Policy.load(policy), episodes, grid)


def draw_curves(params: Params, training: "pd.DataFrame", reward_threshold: float | None) -> None:
    """Draws the learning curves, of the first measure with values."""
    from ddpg.visualizations import draw_learning_curves

    draw_learning_curves(
        training,
        results.ANIMATE / "learning_curves.png",
        reward_threshold,
        next(measure for measure in MEASURES if training[measure].notna().any()),
        rng=generator(params.evaluate.seed, Stream.BOOTSTRAP),
    )


def explore(params: Params, evaluated: Result, episodes: Sequence[EpisodeHistory], policy: Path) -> None:
    """Writes the explorer, with pictures of the recorded episodes if the environment draws some."""
    from ddpg.visualizations.rollout import film_agent_steps
    from pipeline.exploration import page_of_seeds

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
    from ddpg.visualizations import render_rollout, write_mp4

    if not episodes:
        write_mp4([np.full((64, 64, 3), 255, np.uint8)], results.ANIMATE / ROLLOUT, MOST_FRAMES_PER_SECOND)
        return
    steps_per_frame = math.ceil(params.animate.rollout_fps / MOST_FRAMES_PER_SECOND)
    frames_per_second = params.animate.rollout_fps / steps_per_frame
    frames_at_end = round(frames_per_second / 2)
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
        steps_per_frame=steps_per_frame,
    )
    # The first state, those of the longest episode, then its last frame repeated.
    n_steps = max(episode.environment_steps for episode in episodes)
    n_frames = 1 + math.ceil(n_steps / steps_per_frame) + frames_at_end
    # Below the bar of the training animation.
    progress = tqdm(frames, ROLLOUT, n_frames, unit="frame", position=1, disable=None)
    write_mp4(progress, results.ANIMATE / ROLLOUT, frames_per_second)


def draw_policy(params: Params, policy: Policy, episodes: Sequence[EpisodeHistory], grid: GridAxes) -> None:
    """Draws a policy's phase portrait with the paths of its episodes."""
    from ddpg.visualizations import draw_phase_portrait

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
