import os
import subprocess
import sys
from pathlib import Path

import pytest

from ddpg import numerics

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_what_was_put_off_loads_when_it_is_used():
    program = (
        "import sys\n"
        "from ddpg.numerics.backend import keras, tf\n"
        "loaded = lambda: [name for name in ('sklearn', 'scipy.stats', 'matplotlib') if name in sys.modules]\n"
        "assert loaded() == [], loaded()\n"
        "assert keras.wrappers.SKLearnClassifier and keras.visualization.plot_image_gallery\n"
        "assert loaded() == ['sklearn', 'scipy.stats', 'matplotlib'], loaded()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("chosen", [None, "", " --xla_cpu_max_isa=SSE4_2", "options.txt"])
def test_xla_starts_with_the_users_options_and_then_the_projects(chosen, monkeypatch):
    from ddpg.numerics import backend

    if chosen is None:
        monkeypatch.delenv("XLA_FLAGS", raising=False)
    else:
        monkeypatch.setenv("XLA_FLAGS", chosen)
    started_with = []

    def function(*arguments, **options):
        started_with.append(os.environ["XLA_FLAGS"].split())
        return lambda tensor: tensor

    monkeypatch.setattr(backend.tf, "function", function)
    monkeypatch.setattr(backend, "unsupported_machine", lambda: None)
    backend.start_xla.__wrapped__()
    (options,) = started_with
    if chosen == "options.txt":  # a file stands alone
        assert options == ["options.txt"]
    else:
        theirs = (chosen or "").split()
        assert options[: len(theirs)] == theirs
        assert "--xla_cpu_max_isa=AVX2" in options[len(theirs) :]
    assert os.environ.get("XLA_FLAGS") == chosen


def test_another_machine_keeps_xlas_own_choice_of_instructions(monkeypatch):
    from ddpg.numerics import backend

    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.setattr(backend, "unsupported_machine", lambda: "another machine")
    started_with = []
    monkeypatch.setattr(
        backend.tf, "function", lambda *_, **__: started_with.append(os.environ["XLA_FLAGS"]) or (lambda tensor: tensor)
    )
    backend.start_xla.__wrapped__()
    assert "max_isa" not in started_with[0]


def run(program, **variables):
    environment = {name: value for name, value in os.environ.items() if name not in (*numerics.PINNED, "XLA_FLAGS")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


FOUND = "; from ddpg.numerics import backend, obstacles; print(obstacles())"


@pytest.mark.slow
@pytest.mark.skipif(numerics.unsupported_machine() is not None, reason="another kind of machine")
@pytest.mark.parametrize(
    ("before", "variables", "expected"),
    [
        ("pass", {}, None),
        ("import tensorflow as tf; tf.function(tf.identity, jit_compile=True)(1.0)", {}, "XLA was started before"),
        ("import tensorflow as tf", {}, "tensorflow was imported before ddpg"),
        ("pass", {"XLA_FLAGS": "--xla_cpu_enable_fast_math=false"}, "XLA_FLAGS adds options"),
    ],
    ids=["nothing", "XLA", "TensorFlow", "options"],
)
def test_what_stands_in_the_way_is_named(before, variables, expected):
    found = run(before + FOUND, **variables)
    assert found == "[]" if expected is None else expected in found


TRAIN = (
    "from ddpg import DDPG\n"
    "import contextlib, gymnasium as gym, hashlib, sys\n"
    "agent = DDPG(gym.make('Pendulum-v1', max_episode_steps=40), seed=1, replay_batch_size=300, learning_starts=20,\n"
    "    hidden_layer_sizes_actor=[400, 300], hidden_layer_sizes_critic=[[400, 300], [400, 300]])\n"
    "with contextlib.redirect_stdout(sys.stderr):\n"
    "    agent.train_n_episodes(1, run_tests=False, n_validation_episodes=0)\n"
    "print(hashlib.sha256(agent.learner.state.floats.numpy().tobytes()).hexdigest())\n"
)


@pytest.mark.minutes
def test_a_trained_agent_is_the_same_whatever_the_threads_and_whether_numpy_came_first():
    threads = "import ddpg, tensorflow as tf; tf.config.threading.set_intra_op_parallelism_threads(5)\n"
    assert len({run(before + TRAIN) for before in ("", threads, "import numpy\n")}) == 1
