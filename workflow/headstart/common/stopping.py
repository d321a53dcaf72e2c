"""Being stopped: a signal becomes an exception, so that what was begun is put away."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

# What schedulers and closed terminals send. They are left ignored where they are: by nohup, or in a
# job of Grid Engine, which sends some of them as a warning.
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
# What schedulers send a while before they suspend or end a job.
WARNINGS = (signal.SIGUSR1, signal.SIGUSR2)
# How what is said of a stopped process begins.
STOPPED = "stopped ("


class Stopped(BaseException):
    """The process was told to stop; no `except Exception` may keep it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` inside the block when a signal asks this process to stop."""
    owner = os.getpid()

    def stop(number: int, _: FrameType | None) -> None:
        if os.getpid() != owner:  # a process that this one forked ends as it always did
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        raise Stopped(number)

    with _answered(stop, lambda _, before: before is signal.SIG_DFL):
        yield


@contextmanager
def remembered() -> Iterator[list[int]]:
    """Let signals wait inside the block until what is at work looks for them.

    A second one that asks to stop raises `Stopped` at once.

    Yields:
        Gets the number of each signal that comes.
    """
    came: list[int] = []

    def remember(number: int, _: FrameType | None) -> None:
        if number in came and number not in WARNINGS:
            raise Stopped(number)
        came.append(number)

    # Grid Engine's jobs ignore the warnings, but for those who listen
    with _answered(remember, lambda n, before: before is not signal.SIG_IGN or n in WARNINGS):
        yield came


@contextmanager
def _answered(
    handler: Callable[[int, FrameType | None], None], takes: Callable[[int, Any], bool]
) -> Iterator[None]:
    """Let a handler answer the signals inside the block that it takes from the one before."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is told of signals
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, earlier in before.items():
        if takes(number, earlier):
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def survive_hangup(log: Path) -> None:
    """When the terminal goes away, go on, and write to a file what is said from then on.

    Args:
        log: The file; it is added to.
    """

    def move_on(*_: object) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        log.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(file, 1)
        os.dup2(file, 2)

    signal.signal(signal.SIGHUP, move_on)
