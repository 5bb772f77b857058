"""The stages in environments of other kinds, one after the other and in processes of their own."""

import av
import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

from ddpg import DDPG
from ddpg.environments.running_statistics import FILE, restore, state_dict
from ddpg.evaluation.rollouts import run_episodes
from ddpg.history import TrainingHistory, load_episodes
from ddpg.seeding import Stream, episode_seed
from pipeline import results
from pipeline.animate import animate
from pipeline.evaluate import evaluate
from pipeline.stages import ANIMATE
from pipeline.train import train
from tests.pipeline.small import params
from tests.pipeline.test_train import Untracked

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr("pipeline.train.LiveTraining", Untracked)
    monkeypatch.setattr("pipeline.tracking.record", lambda *_: None)
    monkeypatch.setattr("pipeline.train.record_stage", lambda *_: None)


def of(identifier, **changes):
    return params(
        environment={"id": f"tests.wrapped_env:{identifier}"},
        train={"action_repeat": 2, "n_validation_episodes": 3},
        animate={"rollout_fps": 10},
        **changes,
    )


def test_policies_act_in_every_stage_through_the_statistics_they_saw_in_training(project):
    settings = of("Normalized-v0", seeds=[2])
    train(settings)
    evaluate(settings)
    folder = results.seed_folder(2)
    counts = {}
    for name in ("best", "final"):
        env = gym.make(settings.environment.id)
        restore(env, folder / name)
        counts[name] = state_dict(env)["NormalizeObservation"]["obs_rms.count"]
    assert round(counts["final"]) == 3 * 21
    assert round(counts["best"]) in (2 * 21, 3 * 21)

    # Another process, which loads the agent, sees what training and evaluation saw.
    agent = DDPG.load(folder / "best", gym.make(settings.environment.id), seed=2)
    recorded = load_episodes(results.EVALUATE / "trajectories.npz")
    seeds = [episode_seed(settings.evaluate.seed, Stream.EVALUATION_EPISODES, i) for i in range(3)]
    for expected, episode in zip(recorded, run_episodes(agent.policy, [agent.env], seeds, 2), strict=True):
        np.testing.assert_array_equal(episode.observations, expected.observations)
        np.testing.assert_array_equal(episode.rewards, expected.rewards)
    validation = pd.read_csv(results.TRAIN / "episodes.csv")["validation_return"]
    for _ in range(3):
        again = np.mean([episode.score for episode in agent.trainer.validate(3, 2)])
        assert again == pytest.approx(validation.max(), rel=1e-5)

    assert (results.EVALUATE / "policy" / FILE).read_bytes() == (folder / "best" / FILE).read_bytes()
    animate(settings)  # which replays what was evaluated, and refuses it if it comes out otherwise
    assert {path.name for path in results.ANIMATE.iterdir()} == ANIMATE.written


def test_an_environment_without_pictures_goes_through_all_stages(project, capfd):
    settings = of("Unseen-v0", seeds=[2])
    train(settings)
    assert "the environment will not be filmed, the rollout shows paths of the state: " in capfd.readouterr().err
    evaluate(settings)
    animate(settings)
    assert "rollout.mp4 shows paths of the state, not the environment: " in capfd.readouterr().err
    assert {path.name for path in results.ANIMATE.iterdir()} == ANIMATE.written
    with av.open(str(results.ANIMATE / "rollout.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 20 + 1 + 5
    assert TrainingHistory.load(results.seed_folder(2) / "history.npz").training_episodes
