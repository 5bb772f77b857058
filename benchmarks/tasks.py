"""How well is each task learned with its presets, against DDPG and TD3 of Stable-Baselines3 with RL Zoo's settings?

A run trains one seed of one agent in a process of its own, on one thread. All agents are validated on the same start
states, at the same intervals, and the best policy is the one with the highest mean; best and final policy are then
evaluated on other start states, the same for all agents and seeds. Steps are those of the environment. Seconds are
those of learning, from the made agent on: compiling counts, imports, validation and evaluation do not.

Runs are added to results/tasks.json one by one. Those it already holds, of the same settings, are left out: an
interrupted benchmark goes on when it is started again, and loses the runs that were under way. Without names, all tasks
but MuJoCo's are measured, which takes about 150 hours on one core; --short is a part of it that takes minutes.
"""

import argparse
import hashlib
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import common

PEERS = ("DDPG", "TD3")
PACKAGES = ("numpy", "gymnasium", "tensorflow", "keras", "torch", "stable-baselines3")
RESULTS = common.RESULTS / "tasks.json"
N_EVALUATIONS, EVALUATION_SEED = 100, 0
SHORT = {"names": ["Pendulum"], "seeds": [1, 2]}


class Task(NamedTuple):
    """What is measured in an environment."""

    steps: int = 1_000_000
    """With which the peers train."""
    n_seeds: int = 10
    threshold: float | None = None
    """Where Gymnasium names none."""
    published: tuple[str, ...] = ()
    """RL Zoo's table of trained agents: of one training each, on other start states."""


# github.com/DLR-RM/rl-baselines3-zoo, benchmark.md.
TASKS = {
    "MountainCarContinuous-v0": Task(
        steps=100_000,
        published=("DDPG 93.5 ± 0.0 and TD3 93.5 ± 0.1 after 300,000 steps", "SAC 94.7 ± 1.1", "ARS 96.7 ± 0.8"),
    ),
    "Pendulum-v1": Task(
        steps=20_000,
        threshold=-200,
        published=("DDPG −152.1 ± 94.3 and TD3 −151.9 ± 90.2 after 20,000 steps", "SAC −157.0 ± 88.7"),
    ),
    "LunarLanderContinuous-v3": Task(
        steps=300_000,
        published=("DDPG 230.2 ± 92.4 and TD3 207.5 ± 67.6 after 300,000 steps", "TQC 278.0 ± 25.5 after 500,000"),
    ),
    "BipedalWalker-v3": Task(
        n_seeds=5,
        published=("DDPG 197.5 ± 141.6 and TD3 306.0 ± 56.9 after 1,000,000 steps", "TQC 329.8 ± 45.1 after 500,000"),
    ),
}

# rl_zoo3 2.9.2, hyperparams/ddpg.yml and td3.yml, which are alike; they leave the rest as Stable-Baselines3 has it.
_ZOO_NETWORK = {"learning_rate": 0.001, "policy_kwargs": {"net_arch": [400, 300]}}
_ZOO_TUNED = {**_ZOO_NETWORK, "gamma": 0.98, "buffer_size": 200_000, "learning_starts": 10_000, "normal": 0.1}
_ZOO_MUJOCO = {**_ZOO_NETWORK, "learning_starts": 10_000, "normal": 0.1}
ZOO: dict[str, dict[str, Any]] = {
    "MountainCarContinuous-v0": {**_ZOO_NETWORK, "ornstein-uhlenbeck": 0.5},
    "Pendulum-v1": _ZOO_TUNED,
    "LunarLanderContinuous-v3": _ZOO_TUNED,
    "BipedalWalker-v3": _ZOO_TUNED,
    "HalfCheetah-v5": _ZOO_MUJOCO,
    "Hopper-v5": _ZOO_MUJOCO,
}
ZOO_DEFAULT: dict[str, Any] = {"normal": 0.1}


class Agent(NamedTuple):
    """A line of a table: one of our presets, or a peer in the environment of a preset."""

    library: str
    """`ours`, or one of `PEERS`."""
    preset: str
    """Its settings; or, for a peer, whose environment and validation it shares."""

    @property
    def name(self) -> str:
        """As in the tables."""
        return self.preset if self.library == "ours" else peer_name(self.library)


def peer_name(algorithm: str) -> str:
    """A peer as the tables name it."""
    return f"Stable-Baselines3 {algorithm}"


class Clock:
    """Seconds that count."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.uncounted = 0.0

    @property
    def seconds(self) -> float:
        """So far."""
        return time.perf_counter() - self.started - self.uncounted

    def without(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, during which the clock stands still."""

        def stopped(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            result = function(*arguments, **options)
            self.uncounted += time.perf_counter() - started
            return result

        return stopped


def params_of(preset: str, steps: int | None) -> Any:
    """A preset as the train stage reads it, but without what serves to draw; with another budget, if one is given."""
    from ddpg.config import GridConfig
    from pipeline import params
    from pipeline.preset import values_of

    values = values_of(preset)
    train = params.TrainConfig(**values["train"]).model_copy(update={"run_tests": False, "grid": GridConfig()})
    train = train.model_copy(update={"gen_q_a_frames_every_n_steps": 0})
    if steps is not None:
        train = train.model_copy(update={"n_environment_steps": steps})
    environment = params.EnvironmentConfig(**values["environment"])
    return environment, params.AgentConfig(**values["agent"]), train


def settings_of(agent: Agent, steps: int | None) -> str:
    """A digest of all that decides a run but its seed and the code; settings that are off do not count."""
    environment, config, train = params_of(agent.preset, steps)
    stated: Any = [environment.model_dump(), config.model_dump(exclude_defaults=True)]
    if agent.library != "ours":
        stated = [environment.model_dump(), ZOO.get(environment.id, ZOO_DEFAULT), steps or task_of(agent).steps]
    stated.append(train.model_dump(exclude_defaults=True) if agent.library == "ours" else train.n_validation_episodes)
    return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()[:12]


def environment_of(agent: Agent) -> str:
    """The id of its environment."""
    from pipeline.preset import values_of

    return str(values_of(agent.preset)["environment"]["id"])


def task_of(agent: Agent) -> Task:
    """What is measured in its environment."""
    return TASKS.get(environment_of(agent), Task())


def train_ours(preset: str, seed: int, steps: int | None) -> dict[str, Any]:
    """Trains a preset."""
    common.load_tensorflow()
    from ddpg.agent import DDPG
    from ddpg.algorithm.policy import Policy
    from ddpg.environments.interface import make

    environment, config, train = params_of(preset, steps)
    clock = Clock()
    agent = DDPG(make(environment.id, environment.kwargs), config, seed=seed)
    agent.trainer.validate = clock.without(agent.trainer.validate)
    validations = []
    for record in agent.trainer.train(train):
        if record.validation_episodes == train.n_validation_episodes:  # others retired from theirs
            validations.append((record.environment_steps, clock.seconds, record.validation_return))
    run = {"environment_steps": record.environment_steps, "seconds": clock.seconds, "validations": validations}
    with tempfile.TemporaryDirectory() as folder:
        agent.save(folder, best=True)
        best = Policy.load(Path(folder))
    evaluate = evaluation(environment, train.action_repeat)
    return {**run, "best_return": evaluate(best), "final_return": evaluate(agent.policy)}


def train_peer(algorithm: str, preset: str, seed: int, steps: int | None) -> dict[str, Any]:
    """Trains Stable-Baselines3 in a preset's environment."""
    import stable_baselines3
    import torch
    from stable_baselines3.common.callbacks import BaseCallback

    # After NumPy and PyTorch, which it would hold to AVX2.
    from ddpg.environments.copies import copies
    from ddpg.environments.interface import make, prepare
    from ddpg.evaluation.rollouts import mean_score, run_episodes
    from ddpg.seeding import Stream, episode_seed

    torch.set_num_threads(1)
    environment, _, train = params_of(preset, steps)
    env = make(environment.id, environment.kwargs)
    envs = copies(prepare(make(environment.id, environment.kwargs)), train.n_validation_episodes)
    seeds = [episode_seed(seed, Stream.VALIDATION_EPISODES, i) for i in range(train.n_validation_episodes)]
    every = train.validate_every_n_steps or env.spec.max_episode_steps
    validations: list[tuple[int, float, float]] = []
    best: dict[str, Any] = {}

    def act(observations: Any) -> Any:
        return model.predict(observations, deterministic=True)[0]

    class Validation(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps % every == 0 and self.model._n_updates:
                before = clock.seconds
                score = clock.without(lambda: mean_score(run_episodes(act, envs, seeds, 1)))()
                if score > max((score for _, _, score in validations), default=-math.inf):
                    best.update({name: value.clone() for name, value in self.model.actor.state_dict().items()})
                validations.append((self.num_timesteps, before, score))
            return True

    clock = Clock()
    model = getattr(stable_baselines3, algorithm)("MlpPolicy", env, seed=seed, **zoo_arguments(environment.id, env))
    model.learn(steps or task_of(Agent(algorithm, preset)).steps, callback=Validation())
    run = {"environment_steps": model.num_timesteps, "seconds": clock.seconds, "validations": validations}
    evaluate = evaluation(environment, 1)
    run["final_return"] = evaluate(act)
    if best:
        model.actor.load_state_dict(best)
    return {**run, "best_return": evaluate(act)}


def zoo_arguments(identifier: str, env: Any) -> dict[str, Any]:
    """RL Zoo's settings as arguments of Stable-Baselines3."""
    import numpy as np
    from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise

    settings = dict(ZOO.get(identifier, ZOO_DEFAULT))
    for name, noise in (("normal", NormalActionNoise), ("ornstein-uhlenbeck", OrnsteinUhlenbeckActionNoise)):
        if name in settings:
            size = env.action_space.shape
            settings["action_noise"] = noise(np.zeros(size), np.full(size, settings.pop(name)))
    return settings


def evaluation(environment: Any, action_repeat: int) -> Callable[[Any], float]:
    """From a policy to its mean return over the evaluation episodes."""
    from ddpg.environments.copies import copies
    from ddpg.environments.interface import make, prepare
    from ddpg.evaluation.rollouts import mean_score, run_episodes
    from ddpg.seeding import Stream, episode_seed

    envs = copies(prepare(make(environment.id, environment.kwargs)), N_EVALUATIONS)
    seeds = [episode_seed(EVALUATION_SEED, Stream.EVALUATION_EPISODES, i) for i in range(N_EVALUATIONS)]
    return lambda policy: mean_score(run_episodes(policy, envs, seeds, action_repeat))


def measure(library: str, preset: str, seed: int, steps: int | None) -> dict[str, Any]:
    """One run's figures."""
    train = train_ours if library == "ours" else partial(train_peer, library)
    run = train(preset, seed, steps)
    run["validations"] = [(step, round(seconds, 2), round(score, 3)) for step, seconds, score in run["validations"]]
    return run


def read(path: Path) -> dict[str, Any]:
    """The results so far."""
    return json.loads(path.read_text()) if path.exists() else {"runs": []}


def add(path: Path, run: Mapping[str, Any]) -> None:
    """Adds a run to the results, in place of one of other settings; several processes may do so at once."""
    from filelock import FileLock

    from ddpg.files import replacing

    with FileLock(f"{path}.lock"):
        results = read(path)
        runs = [each for each in results["runs"] if identity(each) != identity(run)]
        results |= common.circumstances(PACKAGES)
        results["runs"] = sorted([*runs, run], key=lambda each: (each["environment"], each["agent"], each["seed"]))
        lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in results.pop("runs"))
        head = json.dumps(results, indent=2, ensure_ascii=False).removesuffix("\n}")
        with replacing(path) as temporary:
            temporary.write_text(f'{head},\n  "runs": [\n{lines}\n  ]\n}}\n')


def identity(run: Mapping[str, Any]) -> tuple[Any, ...]:
    """What only one run of the results has."""
    return run["environment"], run["agent"], run["seed"]


def measure_and_add(path: Path, agent: Agent, seed: int, steps: int | None) -> None:
    """Measures a run, unless the results hold it."""
    named = {"environment": environment_of(agent), "agent": agent.name, "seed": seed}
    settings = settings_of(agent, steps)
    if any(identity(run) == identity(named) and run["settings"] == settings for run in read(path)["runs"]):
        return
    variables = common.environment_of(agent.library)
    started = time.perf_counter()
    figures = common.measure(__file__, *agent, seed, steps, environment=variables)
    add(path, {**named, "settings": settings, "commit": common.commit(), **figures})
    minutes = (time.perf_counter() - started) / 60
    print(
        f"{named['environment']}, {agent.name}, seed {seed}: {figures['best_return']:.1f} ({minutes:.1f} min)",
        flush=True,
    )


def measure_all(path: Path, runs: Sequence[tuple[Agent, int]], steps: int | None, parallel: int) -> int:
    """Measures these runs, so many at a time; returns how many failed."""
    failures = 0
    pool = ThreadPoolExecutor(parallel)
    try:
        for done in [pool.submit(measure_and_add, path, *run, steps) for run in runs]:
            try:
                done.result()
            except RuntimeError as error:
                print(error, file=sys.stderr)
                failures += 1
    finally:  # an interruption
        pool.shutdown(cancel_futures=True)
    return failures


def planned(names: Sequence[str], libraries: Sequence[str]) -> Iterator[Agent]:
    """The agents to measure: each preset, and the peers once in each environment."""
    compared = set()
    for preset in names:
        if "ours" in libraries:
            yield Agent("ours", preset)
        peers = [Agent(library, preset) for library in libraries if library != "ours"]
        for agent in peers:
            if (environment_of(agent), agent.library) not in compared:
                compared.add((environment_of(agent), agent.library))
                yield agent


def main() -> int:
    """Measures what is missing, and writes the page; returns the number of runs that failed."""
    if common.answer(measure):
        return 0
    from pipeline.preset import presets

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="PRESET", help="these only")
    parser.add_argument("--libraries", nargs="+", choices=("ours", *PEERS), default=("ours", *PEERS), help="these only")
    parser.add_argument("--seeds", type=int, nargs="+", help="these only (by default 1 to 10; BipedalWalker: 1 to 5)")
    parser.add_argument("--steps", type=int, help="environment steps of each run, instead of the task's")
    parser.add_argument("--parallel", type=int, default=1, help="runs at a time (1)")
    parser.add_argument("--short", action="store_true", help="two seeds of Pendulum: about ten minutes")
    parser.add_argument("--render", action="store_true", help="measure nothing, write docs/TASKS.md")
    parser.add_argument("--out", type=Path, help="add the runs to this file, and write no page")
    options = parser.parse_args()
    unknown = set(options.names) - presets().keys()
    if unknown:
        parser.error(f"expected presets, received {', '.join(sorted(unknown))}")
    if options.steps and not options.out:
        parser.error("--steps: expected --out, as the runs are no part of the benchmark")
    if options.short:
        options.names, options.seeds = SHORT["names"], SHORT["seeds"]
    names = options.names or [name for name, file in presets().items() if file.parent.name != "mujoco"]
    path = options.out or RESULTS
    agents = [] if options.render else list(planned(names, options.libraries))
    wanted = {agent: options.seeds or range(1, task_of(agent).n_seeds + 1) for agent in agents}
    runs = sorted(((agent, seed) for agent, seeds in wanted.items() for seed in seeds), key=lambda run: run[1])
    failures = measure_all(path, runs, options.steps, options.parallel)
    if options.out is None:
        import tasks_page

        tasks_page.FILE.write_text(tasks_page.document(read(path)))
    return failures


if __name__ == "__main__":
    sys.exit(main())
