"""Errors that a user can do something about, and how a stage or command ends with one: a message and a status."""

import sys

from ddpg.files import DamagedFileError


class UserError(Exception):
    """Something the user can fix. The message names what is wrong, what was expected and what to do."""


class ParamsError(UserError):
    """`params.yaml` is invalid; the message has a line for each reason."""


class PresetError(UserError):
    """A preset is unknown, or would overwrite what only `params.yaml` holds."""


class MissingResultError(UserError):
    """A file of an earlier stage is missing."""


class RevisionError(UserError):
    """A revision is unknown, or its results are unavailable or invalid."""


class GitError(UserError):
    """Git cannot read the repository; the message is git's own."""


class StageError(UserError):
    """A stage failed for a reason that its user can do something about.

    Args:
        message: What happened and what to do.
        details: Printed first, such as a worker's traceback.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


USER_ERRORS = (UserError, DamagedFileError, OSError)
"""What reading results may raise without a bug: invalid names and files, and files that cannot be read."""


def report(command: str | None, message: Exception | str, status: int) -> int:
    """Print on stderr why a command ends, or what it skips.

    Args:
        command: Printed before the message; `None`: the message stands alone.
        message: One line, or an error.
        status: The exit status.

    Returns:
        The status.
    """
    if isinstance(message, StageError):
        sys.stderr.write(message.details)
    print(f"{command}: {message}" if command else message, file=sys.stderr)
    return status
