import os
import re

import av
import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ddpg import DDPG
from ddpg.config import GridConfig
from ddpg.evaluation.rollouts import run_episodes
from ddpg.files import DamagedFileError
from ddpg.history import save_episodes
from ddpg.seeding import Stream, episode_seed
from pipeline import results
from pipeline.animate import animate, draw_curves, film, meanwhile
from pipeline.errors import MissingResultError, StageError
from pipeline.stages import ANIMATE
from tests.pipeline.reports.made import METRICS
from tests.pipeline.small import params

pytestmark = pytest.mark.slow


def frames(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """A project after train and evaluate with one seed."""
    monkeypatch.chdir(tmp_path)
    recorded = []
    monkeypatch.setattr("pipeline.tracking.record", lambda *arguments: recorded.append(arguments[0]))
    env = gym.make("MountainCarContinuous-v0")
    agent = DDPG(env, params().agent, seed=2)
    agent.train_n_episodes(
        2, action_repeat=60, n_validation_episodes=0, gen_q_a_frames_every_n_steps=10, grid=GridConfig(n_cells=4)
    )
    results.seed_folder(2).mkdir(parents=True)
    agent.history.save(results.seed_folder(2) / "history.npz")
    agent.save(results.EVALUATE / "policy")
    columns = {
        "is_best": [False, True],
        "training_return": [1.0, 2.0],
        "test_return": [1.0, 2.0],
        "validation_return": [np.nan, np.nan],
    }
    pd.DataFrame({"seed": 2, "episode": [1, 2], **columns}).to_csv(results.TRAIN / "episodes.csv", **results.CSV)
    results.write_json(results.EVALUATE / "metrics.json", METRICS | {"median_seed": 2})
    seeds = [episode_seed(params().evaluate.seed, Stream.EVALUATION_EPISODES, i) for i in range(2)]
    save_episodes(results.EVALUATE / "trajectories.npz", run_episodes(agent.policy, [env], seeds, 60))
    return recorded


def test_without_rollout_episodes_the_film_is_one_empty_frame(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results.ANIMATE.mkdir(parents=True)
    film(params(animate={"rollout_episodes": 0}), [], None, tmp_path, None)
    (frame,) = frames(results.ANIMATE / "rollout.mp4")
    assert frame.shape == (64, 64, 3)


@pytest.mark.minutes
def test_draws_the_same_files_twice(evaluated):
    animate(params())
    assert evaluated == ["animate"]
    assert {path.name for path in results.ANIMATE.iterdir()} == ANIMATE.written
    # 34 agent steps and a snapshot every 10, with one more at the end.
    training = frames(results.ANIMATE / "training.mp4")
    assert (len(training), training[0].shape) == (4, (720, 1280, 3))
    with Image.open(results.ANIMATE / "training.gif") as gif:
        assert gif.size[0] == 800
        assert 2 <= gif.n_frames <= 4
    # An episode of 999 steps, every second of them, and the last for half a second at 30 frames a second.
    assert len(frames(results.ANIMATE / "rollout.mp4")) == 500 + 1 + 15
    kept = {path.name: path.read_bytes() for path in results.ANIMATE.iterdir()}
    animate(params())
    assert {path.name: path.read_bytes() for path in results.ANIMATE.iterdir()} == kept


@pytest.mark.parametrize(("rollout_fps", "n_frames", "rate"), [(60, 2, 30), (30, 4, 30), (50, 2, 25), (10, 4, 10)])
def test_the_rollout_keeps_its_pace_at_up_to_30_frames_a_second(evaluated, monkeypatch, rollout_fps, n_frames, rate):
    made = {}
    monkeypatch.setattr(
        "ddpg.visualizations.write_mp4", lambda frames, path, fps: made.update(frames=len([*frames]), fps=fps)
    )
    monkeypatch.setattr("pipeline.animate.pictures.problem", lambda *_: None)
    env = gym.make("MountainCarContinuous-v0", max_episode_steps=3)
    seed = episode_seed(params().evaluate.seed, Stream.EVALUATION_EPISODES, 0)
    (episode,) = run_episodes(lambda x: np.zeros((len(x), 1), np.float32), [env], [seed], 1)
    settings = params(animate={"rollout_fps": rollout_fps}, train={"action_repeat": 1})
    film(settings, [episode], None, results.EVALUATE / "policy", None)
    assert made == {"frames": n_frames + 1 + round(rate / 2) - (n_frames == 4), "fps": rate}


@pytest.mark.parametrize("n_cores", [1, 2])
def test_work_beside_other_work_raises_what_it_raised(tmp_path, monkeypatch, n_cores):
    monkeypatch.setattr("joblib.cpu_count", lambda: n_cores)
    with pytest.raises(DamagedFileError, match="expected"), meanwhile(fail, tmp_path / "started"):
        pass
    assert (tmp_path / "started").read_text() == str(os.getpid()) or n_cores == 2


def fail(path):
    path.write_text(str(os.getpid()))
    raise DamagedFileError("expected a file")


def test_a_process_beside_that_dies_is_reported(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    with pytest.raises(StageError, match="a drawing process died"), meanwhile(os._exit, 1):
        pass


def test_without_test_episodes_the_curves_show_the_training_return(monkeypatch):
    nan = np.nan
    table = pd.DataFrame({"test_return": [nan], "validation_return": [nan], "training_return": [1.0]})
    drawn = []
    monkeypatch.setattr("ddpg.visualizations.draw_learning_curves", lambda *arguments, rng: drawn.append(arguments[-1]))
    draw_curves(params(), table, None)
    assert drawn == ["training_return"]


def test_a_missing_stage_is_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingResultError, match="expected from the evaluate stage"):
        animate(params())
    assert not results.ANIMATE.exists()


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("evaluate/metrics.json", b"{", "expected JSON"),
        ("evaluate/metrics.json", b"\xff", "expected JSON"),
        ("evaluate/metrics.json", b"[]", "expected a mapping, received []"),
        ("train/episodes.csv", b"", "expected a table"),
        ("train/episodes.csv", b"seed,episode\n2,1\n", "found no test_return, validation_return, training_return"),
        ("train/seeds/2/history.npz", b"PK", "expected arrays"),
        ("train/seeds/2/history.npz", None, "expected arrays"),
        ("evaluate/trajectories.npz", b"", "expected arrays"),
        ("evaluate/trajectories.npz", None, "expected arrays"),
        ("evaluate/policy/config.json", b"{}", "expected a saved agent's description"),
        ("evaluate/policy/critic.weights.h5", None, "expected the weights of the configured critic"),
    ],
)
def test_a_damaged_file_is_reported(evaluated, file, content, expected):
    path = results.RESULTS / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content is None else content)
    with pytest.raises(DamagedFileError, match=rf"^results/{re.escape(file)}: .*{re.escape(expected)}"):
        animate(params())


def test_a_recording_from_other_start_states_is_reported(evaluated):
    with pytest.raises(DamagedFileError, match=r"^results/evaluate/trajectories\.npz: .* from another seed"):
        animate(params(evaluate={"seed": 5}))
