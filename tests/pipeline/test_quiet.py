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


def test_output_is_discarded_and_exceptions_propagate(request):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=request.config.rootpath, capture_output=True, text=True, check=True
    )
    assert done.stderr == "from us"
