"""What every stage's command line has in common."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from pipeline.params import Params, ParamsError, load
from pipeline.results import MissingResultError
from pipeline.runtime import ENVIRONMENT


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
