"""Silence for libraries that cannot be asked for it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Drops what is written to the process's standard error, also by compiled code.

    TensorFlow announces missing GPUs while it is imported, whatever TF_CPP_MIN_LOG_LEVEL says
    (github.com/tensorflow/tensorflow/issues/100442). An exception passes, and is shown after.
    """
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
