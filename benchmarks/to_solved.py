"""How long until MountainCarContinuous-v0 is solved, against Stable-Baselines3's DDPG with RL Zoo's settings?

Solved: the mean return over 100 greedy evaluation episodes is 90 or more (Gymnasium's threshold). Wall time and
environment steps of learning, from the made agent on; ours counts compiling, and imports are given apart. Evaluating
is not counted: ours is evaluated after each episode with an update whose test returned 90 or more, the peer every 1,000
environment steps. Seeds train two at a time, each on one thread; one that is not solved within the cap counts as such.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gymnasium as gym
import numpy as np

import common

LIBRARIES = ("ours", "Stable-Baselines3")
PACKAGES = ("numpy", "gymnasium", "tensorflow", "keras", "torch", "stable-baselines3")
# github.com/DLR-RM/rl-baselines3-zoo, hyperparams/ddpg.yml, which leaves the rest as Stable-Baselines3 has it.
ZOO_NOISE_STD = 0.5
THRESHOLD, N_EVALUATIONS, PEER_EVERY = 90, 100, 1000


class Clock:
    """Seconds that count, without those of evaluations."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.uncounted = 0.0

    @property
    def seconds(self) -> float:
        """So far."""
        return time.perf_counter() - self.started - self.uncounted

    def evaluate(self, evaluation: Any) -> float:
        """Calls it while standing still."""
        started = time.perf_counter()
        score = evaluation()
        self.uncounted += time.perf_counter() - started
        return score


def ours(seed: int, cap: float) -> dict[str, Any]:
    """Trains with params.yaml's settings, but without validation and snapshots, which serve to choose and to draw."""
    from ddpg.agent import DDPG
    from ddpg.environments.copies import copies
    from ddpg.evaluation.rollouts import mean_score, run_episodes
    from ddpg.seeding import Stream, episode_seed
    from pipeline import params

    settings = params.load()
    config = settings.train.model_copy(update={"n_validation_episodes": 0, "gen_q_a_frames_every_n_steps": 0})
    env = gym.make("MountainCarContinuous-v0")
    envs = copies(env, 50)
    seeds = [episode_seed(seed, Stream.EVALUATION_EPISODES, i) for i in range(N_EVALUATIONS)]
    clock = Clock()
    agent = DDPG(env, settings.agent, seed=seed)
    score = float("nan")
    for record in agent.trainer.train(config):
        if record.updates and record.test_return >= THRESHOLD:
            score = clock.evaluate(lambda: mean_score(run_episodes(agent.policy, envs, seeds, config.action_repeat)))
        if score >= THRESHOLD or clock.seconds > cap:
            break
    return {"solved": bool(score >= THRESHOLD), "seconds": clock.seconds, "environment_steps": record.environment_steps}


def peer(seed: int, cap: float) -> dict[str, Any]:
    """Trains Stable-Baselines3 until solved."""
    import torch
    from stable_baselines3 import DDPG
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.noise import OrnsteinUhlenbeckActionNoise
    from stable_baselines3.common.vec_env import DummyVecEnv

    torch.set_num_threads(1)
    evaluation_env = DummyVecEnv([lambda: gym.make("MountainCarContinuous-v0")] * 10)
    evaluation_env.seed(1000 + seed)
    scores: list[float] = []

    class UntilSolved(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps % PEER_EVERY == 0 and self.model._n_updates:
                scores.append(
                    clock.evaluate(lambda: evaluate_policy(self.model, evaluation_env, N_EVALUATIONS, warn=False)[0])
                )
            return clock.seconds < cap and not (scores and scores[-1] >= THRESHOLD)

    clock = Clock()
    noise = OrnsteinUhlenbeckActionNoise(np.zeros(1), np.full(1, ZOO_NOISE_STD))
    model = DDPG("MlpPolicy", "MountainCarContinuous-v0", action_noise=noise, seed=seed)
    model.learn(300_000, callback=UntilSolved())
    return {
        "solved": bool(scores and scores[-1] >= THRESHOLD),
        "seconds": clock.seconds,
        "environment_steps": model.num_timesteps,
    }


def measure(library: str, seed: int, cap: float) -> dict[str, Any]:
    """One seed's figures."""
    started = time.perf_counter()
    if library == "ours":
        common.load_tensorflow()
        import ddpg.agent  # noqa: F401
    else:
        import stable_baselines3  # noqa: F401
    import_seconds = time.perf_counter() - started
    run = ours(seed, cap) if library == "ours" else peer(seed, cap)
    return {"seed": seed, "import_seconds": import_seconds, **run}


def main() -> None:
    """Measures all seeds of both."""
    if common.answer(measure):
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="from 1 on (5)")
    parser.add_argument("--cap", type=float, default=150, help="seconds of learning per seed (150)")
    parser.add_argument("--parallel", type=int, default=2, help="seeds at a time (2)")
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    with ThreadPoolExecutor(arguments.parallel) as pool:
        for library in LIBRARIES:
            runs = [
                pool.submit(
                    common.measure,
                    __file__,
                    library,
                    seed + 1,
                    arguments.cap,
                    environment=common.environment_of(library),
                )
                for seed in range(arguments.seeds)
            ]
            results[library] = [run.result() for run in runs]
    print("\n## To solved\n")
    rows = []
    for library, some in results.items():
        solved = [run for run in some if run["solved"]]
        figures = [common.shown(common.spread(run[name] for run in solved), 1) if solved else "" for name in FIGURES]
        rows.append([library, f"{len(solved)} of {len(some)}", *figures])
    common.table(["", "seeds solved", "seconds to solved", "environment steps", "seconds of imports"], rows)
    print(f"\nOf the solved seeds; a seed has {arguments.cap:.0f} s; {arguments.parallel} seeds at a time.")
    common.write(__file__, PACKAGES, results)


FIGURES = ("seconds", "environment_steps", "import_seconds")

if __name__ == "__main__":
    main()
