"""The laboratory: DVC stages over the `ddpg` library, and what records and compares them."""

import io
import os
import sys

from ddpg.numerics import STAGE_ENVIRONMENT

# Before any module here loads NumPy, and for the processes that they start.
os.environ.update(STAGE_ENVIRONMENT)
# A terminal or file whose encoding lacks a character shows it escaped, instead of a traceback.
for _stream in (sys.stdout, sys.stderr):
    if isinstance(_stream, io.TextIOWrapper):
        _stream.reconfigure(errors="backslashreplace")
# No result depends on what a shell says of XLA.
os.environ.pop("XLA_FLAGS", None)
