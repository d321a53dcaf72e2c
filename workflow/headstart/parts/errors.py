"""The one error that is the user's to mend."""


class UserError(Exception):
    """A mistake in the user's files or settings; the command ends with exit code 2.

    The message names the file or the key, says what is wrong, and says how to mend it.
    """
