"""Memory: how much a user writes, how much this process holds, and how much at its peak."""

from __future__ import annotations

import re
import reprlib
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

STATUS = Path("/proc/self/status")  # of Linux


def bytes_of(amount: str) -> float:
    """Read an amount of memory such as 2G or 800M, of 10^9 or 10^6 bytes.

    Raises:
        ValueError: If it is none.
    """
    if not re.fullmatch(r"(?=.*[1-9])\d+(\.\d+)?\s*[MG]B?", amount, re.ASCII):
        raise ValueError(f"{reprlib.repr(amount)} is no amount of memory; write e.g. 2G or 800M")
    return float(amount.rstrip(" GMB")) * (1e9 if "G" in amount else 1e6)


def resident() -> int:
    """Return the bytes that are held now; where the system does not tell, those of the peak."""
    return _told("VmRSS")


def peak() -> int:
    """Return the most bytes that were held so far."""
    return _told("VmHWM")


def taken_at_most(work: Callable[[], object]) -> int:
    """Do some work, and return the bytes that were held at its peak beyond those held before.

    Where a peak can't be begun anew, it may be that of earlier work: rather too many are told.
    """
    before = resident()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # of the peak alone
    work()
    return peak() - before


def _told(name: str) -> int:
    if not STATUS.exists():
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines[name].split()[0]) * 1024
