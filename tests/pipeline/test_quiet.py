import subprocess
import sys

SCRIPT = """
import os
from pipeline.quiet import silent_stderr
try:
    with silent_stderr():
        os.write(2, b"from compiled code")
        raise ValueError("from us")
except ValueError as error:
    os.write(2, str(error).encode())
"""


def test_drops_what_is_written_and_lets_exceptions_pass(request):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=request.config.rootpath, capture_output=True, text=True, check=True
    )
    assert done.stderr == "from us"
