"""What a scan is refused with from which nothing can be prepared that may be learnt from."""

from __future__ import annotations

from headstart.common.errors import UserError
from headstart.imaging.planes import Planes


class UnusableError(UserError):
    """A scan from which no usable volume can be prepared.

    Attributes:
        code: Of `rejection_codes.py`; "" for what can't be accepted by hand.
        planes: What a person judges that by, see `imaging.planes`; None where nothing was found.
    """

    def __init__(self, message: str, code: str = "", planes: Planes | None = None) -> None:
        """Take the sentence, the code, and what it can be judged by."""
        super().__init__(message)
        self.code = code
        self.planes = planes
