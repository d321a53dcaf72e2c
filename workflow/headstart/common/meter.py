"""How far a download is, in lines that a log file can hold."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from types import TracebackType

from tqdm import tqdm

from headstart.common.disk import gigabytes
from headstart.common.text import duration

LINE_SECONDS = 30.0


def say(text: str) -> None:
    """Print a line on stderr; where the terminal is gone, do without."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


class Meter:
    """How much has come, how fast, and how long it will take yet."""

    def __init__(self, label: str, total: int | None, done: int = 0):
        self.label = label
        self.total = total
        self.done = done
        self._first = done
        self._began = self._said = time.monotonic()
        self._bar: tqdm | None = None
        if sys.stderr.isatty():
            self._bar = tqdm(
                desc=label, total=total, initial=done, unit="B", unit_scale=True, leave=False
            )

    def __enter__(self) -> Meter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            with suppress(OSError):
                self._bar.close()

    def add(self, size: int) -> None:
        """Count so many more bytes."""
        self.done += size
        if self._bar is not None and sys.stderr.isatty():
            with suppress(OSError):
                self._bar.update(size)
        elif time.monotonic() - self._said > LINE_SECONDS:
            self._said = time.monotonic()
            say(self.line())

    def line(self) -> str:
        """Return the state as a line of text."""
        speed = (self.done - self._first) / max(1e-9, time.monotonic() - self._began)
        text = f"{self.label}: {gigabytes(self.done)}"
        if self.total is not None:
            text += f" of {gigabytes(self.total)}"
        text += f", {gigabytes(int(speed))}/s"
        if self.total is not None and speed > 0:
            text += f", {duration((self.total - self.done) / speed)} left"
        return text
