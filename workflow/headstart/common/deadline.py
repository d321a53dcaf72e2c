"""When the work has to stop: whoever runs a job under a time limit says so in the environment.

`HEADSTART_DEADLINE` is the time to stop by (Unix time, s). `HEADSTART_OUT_OF_TIME` is a file to
leave behind by who stopped because of it, so that the job is put back into its queue.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headstart.common.errors import OutOfTimeError
from headstart.common.stopping import WARNINGS
from headstart.common.stopping import Stopped
from headstart.common.stopping import remembered


class Deadline:
    """The end of this process's time: its limit, or signals.

    Args:
        signals: Gets the number of each signal that comes.
    """

    def __init__(self, signals: list[int]) -> None:
        self._signals = signals
        self._end = float(os.environ.get("HEADSTART_DEADLINE", "inf"))
        self._marker = os.environ.get("HEADSTART_OUT_OF_TIME")

    @property
    def is_near(self) -> bool:
        """Whether the end may come at any moment: what there is should be put away."""
        return bool(self._signals) or time.time() > self._end

    def stop_if_told(self) -> None:
        """End the work if its time is over; a mere warning is forgotten.

        Raises:
            OutOfTimeError: At the limit, or near it, as Grid Engine says by USR2 to a job that is
                put back into its queue; the marker is left.
            Stopped: Told to stop for another reason.
        """
        for number in self._signals:
            if number not in WARNINGS:
                raise Stopped(number)
        warned = self._marker is not None and signal.SIGUSR2 in self._signals
        if warned or time.time() > self._end:
            if self._marker:
                Path(self._marker).touch()
            raise OutOfTimeError("out of time; start it again and it goes on from its last step")
        self._signals.clear()


@contextmanager
def watch_deadline() -> Iterator[Deadline]:
    """Let signals wait inside the block until what there is can be put away."""
    with remembered() as signals:
        yield Deadline(signals)
