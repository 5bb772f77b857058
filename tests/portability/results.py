"""Small results of every kind, and their digests: `python -m tests.portability.results` prints them as JSON.

In one process, since an emulated one cannot start another.
"""

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

import pipeline  # noqa: F401 (before NumPy)

SMALL = {
    "seeds": [1, 2],
    "environment": {"id": "MountainCarContinuous-v0", "kwargs": {"max_episode_steps": 60}},
    # Batches larger than the buffer: rows are drawn with replacement.
    "agent": {"replay_batch_size": 1024, "learning_starts": 20, "successes_before_learning": 0},
    "train": {"n_episodes": 4, "n_validation_episodes": 3, "gen_q_a_frames_every_n_steps": 8},
    "evaluate": {"n_episodes": 3, "n_bootstrap_samples": 50},
    "animate": {"every_n_steps": 8, "gif_width": 300, "rollout_episodes": 2},
}
"""The committed experiment, but small."""

WIDE = {
    "seeds": [1],
    "environment": {"id": "Pendulum-v1", "kwargs": {"max_episode_steps": 30}},
    # Sums longer than the pieces that products are summed in, over layers and over a batch that is no multiple of them.
    "agent": {
        "replay_batch_size": 300,
        "learning_starts": 20,
        "successes_before_learning": 0,
        "hidden_layer_sizes_actor": [400, 300],
        "hidden_layer_sizes_critic": [[400], []],
        "hidden_layer_sizes_joint": [300],
        "join_critic": "concatenate",
        "bn_momentum_critic": 0.7,
        "bn_observations": True,
        "layer_norm_actor": True,
        "layer_norm_critic": True,
        "n_critics": 2,
        "target_noise_sigma": 0.1,
        "weight_decay_critic": 0.01,
        "gradient_clip_norm": 1.0,
        "initializer": "fan_in",
        "output_init_range": 0.003,
        "noise": "gaussian",
        "bn_momentum_actor": 0.9,
        "dropout_critic": 0.1,
        "actor_gradient": "replay",
        "observation_normalization": "standardize",
        "n_step": 3,
    },
    # Of which the last makes updates: an emulator takes a minute for each.
    "train": {"n_episodes": 4, "n_validation_episodes": 2, "gen_q_a_frames_every_n_steps": 8},
}
"""Networks of the size of the paper's, in an environment that computes with NumPy."""


def train(folder, changes):
    """Trains the seeds as the train stage does, one after the other; returns the parameters."""
    from pipeline import results
    from pipeline.execution.seed_training import SeedTask, prepare, train_seed
    from pipeline.params import Params
    from pipeline.train import in_order_of, summarize
    from tests.pipeline.small import DEFAULTS, merged

    os.chdir(folder)
    params = Params.model_validate(merged(DEFAULTS, changes))
    prepare()
    rows = []
    for seed in params.seeds:
        train_seed(SeedTask(params, seed, None), lambda message, seed=seed: rows.append({"seed": seed, **message[0]}))
    episodes = in_order_of(params.seeds, rows)
    results.write_table(results.TRAIN / "episodes.csv", episodes)
    results.write_json(results.TRAIN / "metrics.json", summarize(episodes))
    return params


def quadcopter():
    """Observations and rewards of a flight, and its last frame."""
    import gymnasium
    import numpy as np

    env = gymnasium.make("QuadcopterGoTo-v0", render_mode="rgb_array", wind=1.0, sensor_noise=1.0)
    seen = [env.reset(seed=1)[0].tobytes()]
    for step in range(20):
        observation, reward, *_ = env.step(np.array([0.1, -0.1, 0.05, -0.05], np.float32) * (step % 3))
        seen += [observation.tobytes(), np.float64(reward).tobytes()]
    return b"".join([*seen, env.render().tobytes()])


def main():
    """Makes all in a temporary folder."""
    from pipeline import animate, evaluate, tracking

    os.environ["LOKY_MAX_CPU_COUNT"] = "1"  # so that pictures are drawn in this process too
    tracking.record = lambda *_: None
    with (
        contextlib.redirect_stdout(sys.stderr),  # the stages print tables
        tempfile.TemporaryDirectory() as small,
        tempfile.TemporaryDirectory() as wide,
    ):
        params = train(small, SMALL)
        evaluate.evaluate(params)
        animate.animate(params)
        train(wide, WIDE)
        found = {
            f"{name}/{path.relative_to(folder).as_posix()}": hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            for name, folder in (("small", small), ("wide", wide))
            for path in sorted(Path(folder).rglob("*"))
            if path.is_file()
        }
    found["quadcopter"] = hashlib.sha256(quadcopter()).hexdigest()[:16]
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
