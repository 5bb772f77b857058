"""What every stage's command line has in common."""

import argparse
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from ddpg.environments.interface import UnsuitableEnvironmentError
from ddpg.files import DamagedFileError
from ddpg.finite import NotFiniteError
from ddpg.numerics import obstacles
from pipeline.params import Params, ParamsError, load
from pipeline.results import MissingResultError


class StageError(Exception):
    """A stage cannot go on, for a reason that its user can do something about.

    Args:
        message: What happened and what to do.
        details: Such as the traceback of what happened elsewhere, shown first.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


def run(stage: Callable[[Params], None], description: str) -> NoReturn:
    """Runs a stage on `params.yaml` of the working directory, and exits.

    The status is 0, or 1 where the stage fails, or 2 where the parameters or an earlier stage's results are refused,
    or 130 after Ctrl-C and 143 after SIGTERM.
    """
    argparse.ArgumentParser(
        prog=f"python -m pipeline.{stage.__name__}",
        description=description,
        epilog="Settings come from params.yaml. Run `dvc repro` to run what is out of date, in order.",
    ).parse_args()
    for obstacle in obstacles():
        print(f"warning: results may differ from another machine's: {obstacle}", file=sys.stderr)
    # So that whatever cleans up after Ctrl-C also does when somebody ends the process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        stage(load())
    except (ParamsError, MissingResultError, DamagedFileError, UnsuitableEnvironmentError) as error:
        sys.exit(_report(str(error), 2))
    except StageError as error:
        sys.exit(_report(f"{error.details}{error}", 1))
    except (NotFiniteError, OSError) as error:
        sys.exit(_report(f"{stage.__name__}: {error}", 1))
    except KeyboardInterrupt:
        sys.exit(_report(f"{stage.__name__}: interrupted", 130))
    sys.exit(0)


def _report(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status
