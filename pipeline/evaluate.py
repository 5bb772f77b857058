"""The evaluate stage: runs each seed's best and final policy from the same start states, into `results/evaluate/`."""

import shutil
from collections.abc import Sequence
from typing import Any

from ddpg.algorithm.policy import Policy
from ddpg.environments import running_statistics
from ddpg.environments.copies import close_copies, copies
from ddpg.environments.interface import make, prepare, require_spaces_of, reward_threshold
from ddpg.evaluation.rollouts import run_episodes
from ddpg.history import save_episodes
from ddpg.seeding import Stream, episode_seed
from pipeline import results, stage, tracking
from pipeline.params import Params
from pipeline.provenance.result import Result
from pipeline.scores import POLICIES, EvaluatedPolicy, episodes_table, seeds_table, summarize
from pipeline.stages import TRAIN

TRAINING_COLUMNS = (
    "environment_steps",
    "training_return",
    "test_return",
    "validation_return",
    "reached_goal",
    "is_best",
)


def evaluate(params: Params) -> None:
    """Evaluates all policies, writes the stage's results and records them."""
    trained = Result()
    training = trained.read_training(TRAINING_COLUMNS)
    with make(params.environment.id, params.environment.kwargs) as env:
        threshold = reward_threshold(env)
        envs = copies(prepare(env), params.evaluate.n_episodes)
        try:
            evaluated = evaluate_policies(trained, params, envs)
        finally:
            close_copies(env, envs)
    seeds = seeds_table(evaluated, training, threshold)
    metrics = summarize(seeds, threshold, params.evaluate)
    (chosen,) = (each for each in evaluated if each.seed == metrics["median_seed"] and each.name == "best")
    results.recreate(results.EVALUATE / "policy")
    results.write_table(results.EVALUATE / "episodes.csv", episodes_table(evaluated, threshold))
    results.write_table(results.EVALUATE / "seeds.csv", seeds)
    save_episodes(results.EVALUATE / "trajectories.npz", chosen.episodes)
    shutil.copytree(results.seed_folder(chosen.seed) / chosen.name, results.EVALUATE / "policy", dirs_exist_ok=True)
    results.write_json(results.EVALUATE / "metrics.json", metrics)
    print(seeds.to_string(index=False))
    tracking.record("evaluate", params.model_dump(mode="json"), results.RESULTS)


def evaluate_policies(trained: Result, params: Params, envs: Sequence[Any]) -> list[EvaluatedPolicy]:
    """Best and final policy of each seed, from the start states that `evaluate.seed` determines."""
    start_states = [
        episode_seed(params.evaluate.seed, Stream.EVALUATION_EPISODES, i) for i in range(params.evaluate.n_episodes)
    ]
    evaluated = []
    for seed in params.seeds:
        for name in POLICIES:
            folder = trained.path(TRAIN, f"seeds/{seed}/{name}")
            policy = Policy.load(folder)
            require_spaces_of(policy.description, envs[0], folder)
            for env in envs:
                running_statistics.restore(env, folder)
            episodes = run_episodes(policy, envs, start_states, params.train.action_repeat)
            evaluated.append(EvaluatedPolicy(seed, name, policy, episodes))
    return evaluated


if __name__ == "__main__":
    stage.run(evaluate, "Evaluates the policies of the train stage and writes results/evaluate/.")
