"""What a scan is refused with from which nothing can be prepared that may be learnt from."""

from __future__ import annotations

from headstart.common.errors import UserError


class UnusableError(UserError):
    """A scan from which no usable volume can be prepared.

    Attributes:
        code: Of `rejection_codes.py`; "" for what can't be accepted by hand.
    """

    def __init__(self, message: str, code: str = "") -> None:
        """Take the sentence and the code."""
        super().__init__(message)
        self.code = code
