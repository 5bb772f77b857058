import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_what_was_put_off_loads_when_it_is_used():
    program = (
        "import sys\n"
        "from ddpg.backend import keras, tf\n"
        "loaded = lambda: [name for name in ('sklearn', 'scipy.stats', 'matplotlib') if name in sys.modules]\n"
        "assert loaded() == [], loaded()\n"
        "assert keras.wrappers.SKLearnClassifier and keras.visualization.plot_image_gallery\n"
        "assert loaded() == ['sklearn', 'scipy.stats', 'matplotlib'], loaded()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("chosen", [None, "", " --xla_cpu_enable_fast_math=false", "options.txt"])
def test_xla_starts_with_the_projects_options_and_then_the_users(chosen, monkeypatch):
    from ddpg import backend

    if chosen is None:
        monkeypatch.delenv("XLA_FLAGS", raising=False)
    else:
        monkeypatch.setenv("XLA_FLAGS", chosen)
    started_with = []

    def function(*arguments, **options):
        started_with.append(os.environ["XLA_FLAGS"].split())
        return lambda tensor: tensor

    monkeypatch.setattr(backend.tf, "function", function)
    backend.start_xla.__wrapped__()
    (options,) = started_with
    if chosen == "options.txt":  # a file stands alone
        assert options == ["options.txt"]
    else:
        own = ["--xla_backend_optimization_level=2", "--xla_cpu_enable_concurrency_optimized_scheduler=false"]
        assert options == [*own, *(chosen or "").split()]
    assert os.environ.get("XLA_FLAGS") == chosen
