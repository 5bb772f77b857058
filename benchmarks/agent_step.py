"""How many agent steps a second does learning make, against Stable-Baselines3's and SBX's DDPG?

MountainCarContinuous-v0, one gradient step per agent step, buffer 10,000, one thread. A run of a library is a process
of its own, and the libraries take turns; the peak of memory is that of the first size. Compiling and the steps before
learning are not counted. An agent step of ours holds its action for five environment steps, as the README's session
does; a peer, which has no such setting, learns in an environment that does the same. Peers have neither batch
normalisation nor L2, nor a second path in the critic, so they compute less.
"""

import argparse
import contextlib
import time
from typing import Any

import gymnasium as gym

import common

LIBRARIES = ("ours", "Stable-Baselines3", "SBX")
SMALL = {"actor": [16, 32, 16], "critic": [[16, 32], [16, 32]], "peer critic": [16, 32]}
LARGE = {"actor": [400, 300], "critic": [[400, 300], [400, 300]], "peer critic": [400, 300]}
# Networks, batch, agent steps counted.
SIZES = {
    "README, 1024": (SMALL, 1024, 1500),
    "README, 256": (SMALL, 256, 1500),
    "README, 64": (SMALL, 64, 1500),
    "400-300, 64": (LARGE, 64, 300),
}
PACKAGES = ("numpy", "gymnasium", "tensorflow", "keras", "torch", "stable-baselines3", "jax", "sbx-rl")


class Enough(Exception):  # noqa: N818 (no error)
    """All counted steps are made."""


class Held(gym.Wrapper):
    """Holds an action for five steps, or until the episode ends, and sums the rewards."""

    def step(self, action: Any) -> Any:
        """One agent step."""
        total = 0.0
        for _ in range(5):
            observation, reward, terminated, truncated, info = self.env.step(action)
            total += float(reward)
            if terminated or truncated:
                break
        return observation, total, terminated, truncated, info


def ours(sizes: dict[str, Any], batch: int, n_steps: int) -> tuple[float, float]:
    """Seconds of the steps, and of the updates in them."""
    common.load_tensorflow()
    from ddpg.agent import DDPG

    env = gym.make("MountainCarContinuous-v0")
    agent = DDPG(
        env,
        seed=1,
        **{
            **common.README,
            "replay_batch_size": batch,
            "hidden_layer_sizes_actor": sizes["actor"],
            "hidden_layer_sizes_critic": sizes["critic"],
        },
    )
    moments: list[float] = []

    def on_step(agent: DDPG) -> None:
        if agent.n_updates:
            moments.append(time.perf_counter())
            if len(moments) > n_steps + 100:
                raise Enough

    with contextlib.suppress(Enough):
        agent.train_n_episodes(
            1000,
            eps=1,
            eps_decay=1 / 50,
            action_repeat=5,
            run_tests=False,
            n_validation_episodes=0,
            on_step=on_step,
        )
    seconds = moments[-1] - moments[-1 - n_steps]
    started = time.perf_counter()
    for _ in range(n_steps):
        losses = agent.learn()
    losses.numpy()
    return seconds, time.perf_counter() - started


def peer(library: str, sizes: dict[str, Any], batch: int, n_steps: int) -> tuple[float, float]:
    """Likewise, for a peer."""
    if library == "SBX":
        from sbx import DDPG
    else:
        import torch
        from stable_baselines3 import DDPG

        torch.set_num_threads(1)
    model = DDPG(
        "MlpPolicy",
        Held(gym.make("MountainCarContinuous-v0")),
        buffer_size=10000,
        batch_size=batch,
        learning_starts=batch,
        train_freq=1,
        gradient_steps=1,
        policy_kwargs={"net_arch": {"pi": sizes["actor"], "qf": sizes["peer critic"]}},
        seed=1,
    )
    model.learn(batch + 100)
    started = time.perf_counter()
    model.learn(n_steps, reset_num_timesteps=False)
    seconds = time.perf_counter() - started
    model.train(1, batch)
    started = time.perf_counter()
    for _ in range(n_steps):
        model.train(1, batch)
    return seconds, time.perf_counter() - started


def measure(library: str) -> dict[str, dict[str, float]]:
    """One process' figures for each size."""
    figures = {}
    for size, (networks, batch, n_steps) in SIZES.items():
        seconds, update_seconds = (
            ours(networks, batch, n_steps) if library == "ours" else peer(library, networks, batch, n_steps)
        )
        figures[size] = {
            "steps_per_second": n_steps / seconds,
            "update_ms": 1000 * update_seconds / n_steps,
            "peak_mb": common.peak_memory(),
        }
    return figures


def main() -> None:
    """Measures all, in turn."""
    if common.answer(measure):
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="of each library (3)")
    n_runs = parser.parse_args().runs
    runs: dict[str, list[Any]] = {library: [] for library in LIBRARIES}
    for _ in range(n_runs):
        for library in LIBRARIES:
            runs[library].append(common.measure(__file__, library, environment=common.environment_of(library)))
    results = {
        size: {
            library: {name: common.spread(run[size][name] for run in some) for name in some[0][size]}
            for library, some in runs.items()
        }
        for size in SIZES
    }
    print("\n## Agent step\n")
    rows = []
    for size, libraries in results.items():
        best = max(libraries[name]["steps_per_second"]["median"] for name in LIBRARIES[1:])
        for library, row in libraries.items():
            rows.append(
                [
                    f"{size}: {library}",
                    common.shown(row["steps_per_second"], 0),
                    f"{row['steps_per_second']['median'] / best:.2f}×",
                    common.shown(row["update_ms"]),
                    f"{row['peak_mb']['median']:.0f}" if size == next(iter(SIZES)) else "",
                ]
            )
    common.table(["networks, batch", "agent steps/s", "of the best peer", "ms per update", "peak MB"], rows)
    common.write(__file__, PACKAGES, results)


if __name__ == "__main__":
    main()
