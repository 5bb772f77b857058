import os
import subprocess
import sys

import pytest

SCRIPT = """
import os
from ddpg.numerics.quiet import silent_stderr
try:
    with silent_stderr():
        os.write(2, b"from compiled code")
        raise ValueError("from us")
except ValueError as error:
    os.write(2, str(error).encode())
"""


def test_output_is_discarded_and_exceptions_propagate(request):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=request.config.rootpath, capture_output=True, text=True, check=True
    )
    assert done.stderr == "from us"


@pytest.mark.slow
def test_tensorflow_starts_without_a_word(request):
    script = "import ddpg.numerics.backend as backend; print(backend.tf.config.get_visible_devices('GPU'))"
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=request.config.rootpath, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
