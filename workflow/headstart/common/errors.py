"""The errors that end a command with one line and no traceback."""


class UserError(Exception):
    """A mistake in the user's files or settings; the command ends with exit code 2.

    The message names the file or the key, says what is wrong, and says how to fix it.
    """


class NoAnswerError(UserError):
    """A mistake in one scan, for which there is no answer; there may be one for others."""


class OutOfTimeError(Exception):
    """The time limit came near; what was done so far is kept, and the next start goes on there."""
