"""What a user's terminal and settings do to commands: nothing."""

import os
import subprocess
import sys

import pytest

from tests.pipeline.small import ROOT


def printed(script, **variables):
    environment = os.environ | variables
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "ascii"])
def test_a_letter_that_an_encoding_lacks_is_escaped(encoding):
    assert printed("import pipeline; print('1 → 2')", PYTHONIOENCODING=encoding) == r"1 \u2192 2"


def test_pictures_ignore_a_users_style(tmp_path):
    (tmp_path / "matplotlibrc").write_text("font.size: 40\naxes.grid: True\n")
    script = "import pipeline, matplotlib; print(matplotlib.rcParams['font.size'], matplotlib.rcParams['axes.grid'])"
    assert printed(script, MATPLOTLIBRC=str(tmp_path / "matplotlibrc"), MPLCONFIGDIR=str(tmp_path)) == "10.0 False"


@pytest.mark.slow
def test_networks_ignore_a_users_precision(tmp_path):
    (tmp_path / "keras.json").write_text('{"floatx": "float16", "backend": "tensorflow"}')
    script = (
        "import ddpg.numerics.backend as b; print(b.keras.config.floatx(), b.keras.layers.Dense(2).dtype_policy.name)"
    )
    assert printed(script, KERAS_HOME=str(tmp_path)) == "float32 float32"
