"""What a training and a command cost, counted: no test can time anything on a shared machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest

ROOT = Path(__file__).parents[1]
COMMANDS = sorted(
    path.stem for path in (ROOT / "pipeline").glob("*.py") if '__name__ == "__main__"' in path.read_text()
)
HYPERPARAMETERS = {
    "replay_batch_size": 16,
    "learning_starts": 20,
    "hidden_layer_sizes_actor": (5,),
    "hidden_layer_sizes_critic": ((5,), (5,)),
}
HEAVY = ("tensorflow", "keras", "sklearn", "mlflow")


@pytest.fixture
def env():
    return gym.make("Pendulum-v1", max_episode_steps=30)


def train(agent, n_episodes, **settings):
    return agent.train_n_episodes(n_episodes, run_tests=False, n_validation_episodes=0, **settings)


@pytest.mark.slow
def test_each_function_is_compiled_once_for_all_learners_of_a_configuration(env):
    from ddpg.agent import DDPG

    agents = [DDPG(env, seed=seed, **HYPERPARAMETERS) for seed in (1, 2, 3)]
    calls = agents[0].learner.compiled._calls
    for agent in agents:
        assert agent.learner.compiled._calls is calls
        train(agent, 2, gen_q_a_frames_every_n_steps=10)
        assert agent.n_updates == 40
        assert len(agent.history.snapshots) == 6
    assert sorted(name for name, *_ in calls) == ["_evaluate_grid", "_update"]


@pytest.mark.slow
def test_an_update_hands_nothing_to_another_thread_and_leaves_the_environment_alone():
    program = (
        "import os, resource; import numpy as np, tensorflow as tf\n"
        "tf.config.threading.set_intra_op_parallelism_threads(1)\n"
        "from ddpg.config import AgentConfig; from ddpg.algorithm.learner import Learner\n"
        "learner = Learner(2, 1, AgentConfig(replay_batch_size=1024), np.random.default_rng(0))\n"
        "assert os.environ.get('XLA_FLAGS') is None\n"
        "rows = np.random.default_rng(0).normal(size=(1024, 7)).astype(np.float32)\n"
        "learner.update(rows)\n"
        "switches = lambda: resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw\n"
        "before = switches()\n"
        "for _ in range(200): metrics = learner.update(rows)\n"
        "metrics.numpy()\n"
        "print(switches() - before)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 20


def test_an_agent_step_runs_one_operation_of_tensorflow_and_a_snapshot_one_more(env, monkeypatch):
    from tensorflow.python import pywrap_tfe
    from tensorflow.python.eager import execute

    from ddpg.agent import DDPG

    agent = DDPG(env, seed=1, **HYPERPARAMETERS)
    train(agent, 1, gen_q_a_frames_every_n_steps=10)  # traces both functions
    operations = []

    def count(module, name):
        run = getattr(module, name)

        def counted(*arguments, **options):
            operations.append(name)
            return run(*arguments, **options)

        monkeypatch.setattr(module, name, counted)

    count(execute, "execute")  # compiled functions
    count(pywrap_tfe, "TFE_Py_FastPathExecute")  # single operations
    train(agent, 1, gen_q_a_frames_every_n_steps=10)
    assert operations == ["execute"] * (30 + 3)


def test_no_commands_help_loads_tensorflow_or_mlflow():
    assert {"train", "evaluate", "animate", "compare", "log", "show", "summary", "sync", "ui"} <= set(COMMANDS)
    script = f"""
import contextlib, io, runpy, sys
for command in {COMMANDS}:
    sys.argv = [command, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        runpy.run_module("pipeline." + command, run_name="__main__")
    assert "usage" in out.getvalue(), command
"""
    assert loaded(script) == []


def test_no_stage_loads_what_draws_before_it_draws():
    script = "import pipeline.check, pipeline.train, pipeline.evaluate, pipeline.animate"
    assert loaded(script, ["matplotlib", "av", "PIL", "joblib"]) == []


def loaded(script, names=HEAVY):
    """Which of the packages a script loads."""
    script += f"\nimport json, sys; print(json.dumps([name for name in {names} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
