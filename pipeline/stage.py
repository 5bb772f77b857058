"""What every stage's command line has in common."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from pipeline.params import Params, ParamsError, load
from pipeline.results import MissingResultError

# For this process and its workers, before TensorFlow is loaded. One thread, no GPU and no oneDNN: for networks this
# small they cost time, and results would depend on the machine's threads. The rest is for silence.
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
    "SDL_VIDEODRIVER": "dummy",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
}


def run(stage: Callable[[Params], None], description: str) -> NoReturn:
    """Runs a stage on `params.yaml` of the working directory, and exits.

    The status is 0, or 2 where the parameters or an earlier stage's results are refused, or 130 after Ctrl-C.
    """
    argparse.ArgumentParser(
        prog=f"python -m pipeline.{stage.__name__}",
        description=description,
        epilog="Settings come from params.yaml. Run `dvc repro` to run what is out of date, in order.",
    ).parse_args()
    os.environ.update(ENVIRONMENT)
    # So that whatever cleans up after Ctrl-C also does when somebody ends the process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        stage(load())
    except (ParamsError, MissingResultError) as error:
        sys.exit(_report(str(error), 2))
    except KeyboardInterrupt:
        sys.exit(_report(f"{stage.__name__}: interrupted", 130))
    sys.exit(0)


def _report(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status
