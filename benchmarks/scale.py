"""How do time and memory grow with the batch, the networks, the buffer, the episodes and the spaces?

One setting is changed at a time from the README's. Each measurement is a process of its own, on one thread, in an
environment that costs nothing: a batch of an update is drawn and learned from; memory is what the process holds on top
of its start, without TensorFlow's import. Episodes are short, 20 agent steps, with a snapshot every 100. Steps with
snapshots are in episodes of 1,000, with a snapshot every tenth, and without updates. The history is saved before memory
is measured.
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gymnasium as gym
import numpy as np

import common

PACKAGES = ("numpy", "gymnasium", "tensorflow", "keras")
CHANGES: dict[str, list[Any]] = {
    "replay_batch_size": [64, 1024, 4096],
    "units": [16, 64, 256],
    "replay_buffer_size": [10_000, 1_000_000],
    "spaces": [[17, 6], [100, 20]],
    "episodes": [50, 500, 5000],
    "steps with snapshots": [10_000, 100_000, 1_000_000],
}


class Idle(gym.Env):
    """Gives random observations, and nothing to learn."""

    def __init__(self, observation_size: int, action_size: int, length: int = 20) -> None:
        self.length = length
        self.observation_space = gym.spaces.Box(-1, 1, (observation_size,), np.float32)
        self.action_space = gym.spaces.Box(-1, 1, (action_size,), np.float32)

    def _observation(self) -> Any:
        return self.np_random.uniform(-1, 1, self.observation_space.shape).astype(np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:  # noqa: ARG002
        """Begins an episode."""
        super().reset(seed=seed)
        self.count = 0
        return self._observation(), {}

    def step(self, action: Any) -> Any:
        """Counts."""
        self.count += 1
        return self._observation(), float(action[0]), self.count == self.length, False, {}


def measure(name: str, value: Any) -> dict[str, float]:
    """One setting's figures."""
    common.load_tensorflow()
    from ddpg.agent import DDPG

    before = common.resident_memory()
    settings = dict(common.README)
    spaces = [2, 1]
    if name == "spaces":
        spaces = value
    elif name == "units":
        settings |= {"hidden_layer_sizes_actor": [value] * 3, "hidden_layer_sizes_critic": [[value] * 2] * 2}
    elif name == "episodes":
        # Small batches, so that it is the episodes that take the time.
        settings |= {"replay_batch_size": 32}
    elif name == "steps with snapshots":
        agent = DDPG(Idle(*spaces, length=1000), seed=1, **settings, updates_per_step=1e-9)
        return episodes(agent, value // 1000, before, snapshot_every=10)
    else:
        settings |= {name: value}
    agent = DDPG(Idle(*spaces), seed=1, **settings)
    if name == "episodes":
        return episodes(agent, value, before)
    rng = np.random.default_rng(0)
    agent.replay_buffer.rows[:] = rng.uniform(-1, 1, agent.replay_buffer.rows.shape)
    agent.replay_buffer.n_added = agent.replay_buffer.capacity
    for _ in range(20):
        agent.learn()
    n = 200
    started = time.perf_counter()
    for _ in range(n):
        losses = agent.learn()
    losses.numpy()
    return {"milliseconds": 1000 * (time.perf_counter() - started) / n, "mb": common.resident_memory() - before}


def episodes(agent: Any, n_episodes: int, before: float, snapshot_every: int = 100) -> dict[str, float]:
    """Milliseconds per agent step, memory, and the size of the history's file."""
    started = time.perf_counter()
    agent.train_n_episodes(
        n_episodes, run_tests=False, n_validation_episodes=0, gen_q_a_frames_every_n_steps=snapshot_every
    )
    seconds = time.perf_counter() - started
    with TemporaryDirectory() as folder:
        path = Path(folder) / "history.npz"
        agent.history.save(path)
        size = path.stat().st_size
    return {
        "milliseconds": 1000 * seconds / agent.history.n_steps,
        "mb": common.resident_memory() - before,
        "history_file_mb": size / 1e6,
    }


def main() -> None:
    """Measures every setting once."""
    if common.answer(measure):
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="without the last value of each setting")
    parser.add_argument("--only", choices=CHANGES, nargs="+", default=[*CHANGES], help="some settings (all)")
    arguments = parser.parse_args()
    results: dict[str, list[dict[str, Any]]] = {}
    for name in arguments.only:
        values = CHANGES[name][:-1] if arguments.short else CHANGES[name]
        results[name] = [{"value": value, **common.measure(__file__, name, value)} for value in values]
    print("\n## Scale\n")
    common.table(
        ["setting", "ms per update (per agent step: episodes)", "MB on top of the imports", "MB of the history's file"],
        [
            [
                f"{name}: {row['value']}",
                f"{row['milliseconds']:.2f}",
                f"{row['mb']:.0f}",
                f"{row['history_file_mb']:.1f}" if "history_file_mb" in row else "",
            ]
            for name, rows in results.items()
            for row in rows
        ],
    )
    common.write(__file__, PACKAGES, results)


if __name__ == "__main__":
    main()
