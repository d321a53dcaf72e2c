"""When the work has to stop: whoever runs a job under a time limit says so in the environment.

`HEADSTART_DEADLINE` is the time to stop by (Unix time, s). `HEADSTART_OUT_OF_TIME` is a file to
leave behind by who stopped because of it, so that the job is put back into its queue.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any
from typing import NoReturn

from headstart.common.errors import OutOfTimeError


class Deadline:
    """The time limit of this process, if it has one."""

    def __init__(self) -> None:
        self._told = False
        self._end = float(os.environ.get("HEADSTART_DEADLINE", "inf"))
        self._marker = os.environ.get("HEADSTART_OUT_OF_TIME")
        if self._marker:
            signal.signal(signal.SIGUSR2, self._hear)

    @property
    def passed(self) -> bool:
        """Whether it is time to stop, or a signal (USR2) has said that the end is near."""
        return self.comes_within(0)

    def comes_within(self, seconds: float) -> bool:
        """Whether the limit leaves less than so many seconds."""
        return self._told or time.time() + seconds > self._end

    def stop(self) -> NoReturn:
        """Leave the marker and end the work.

        Raises:
            OutOfTimeError: Always.
        """
        if self._marker:
            Path(self._marker).touch()
        raise OutOfTimeError("out of time; start it again and it goes on from its last epoch")

    def _hear(self, *_: Any) -> None:
        self._told = True
