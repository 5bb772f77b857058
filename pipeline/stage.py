"""The command line that all stages share."""

import argparse
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from ddpg.environments.interface import UnsuitableEnvironmentError
from ddpg.finite import NotFiniteError
from ddpg.numerics import obstacles
from pipeline.errors import USER_ERRORS, StageError, report
from pipeline.params import Params, load
from pipeline.stages import SUMMARIZED


def run(stage: Callable[[Params], None], description: str) -> NoReturn:
    """Run a stage with `params.yaml` of the working directory, then exit.

    The status is 0; 1 if the stage fails; 2 if the parameters or an earlier stage's results are invalid; 130 after
    Ctrl-C; 143 after SIGTERM.
    """
    name = stage.__name__
    argparse.ArgumentParser(
        prog=f"python -m pipeline.{name}",
        description=description,
        epilog="Settings come from params.yaml. Run `dvc repro` to run what is out of date, in order.",
    ).parse_args()
    for obstacle in obstacles():
        print(f"warning: results may differ from another machine's: {obstacle}", file=sys.stderr)
    # What cleans up after Ctrl-C then also does after SIGTERM.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        params = load()
        SUMMARIZED.unlink(missing_ok=True)
        stage(params)
    except KeyboardInterrupt:
        sys.exit(report(name, "interrupted", 130))
    except StageError as error:
        sys.exit(report(None, error, 1))
    except (NotFiniteError, OSError) as error:
        sys.exit(report(name, error, 1))
    except (*USER_ERRORS, UnsuitableEnvironmentError) as error:
        sys.exit(report(None, error, 2))
    sys.exit(0)
