"""How the commands that read results end where something is refused: in a line on stderr, and a status."""

import sys

from ddpg.files import DamagedFileError
from pipeline.provenance.revisions import RevisionError

REFUSALS = (RevisionError, DamagedFileError, OSError)
"""What is refused wherever results are read: revisions, files that are damaged, and those that cannot be read."""


def report(command: str, message: Exception | str, status: int) -> int:
    """Says on stderr why a command ends, or what it leaves out; returns the status."""
    print(f"{command}: {message}", file=sys.stderr)
    return status
