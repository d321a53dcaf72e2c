"""Whether a process that left its name in a file is still there, on this machine or another one."""

from __future__ import annotations

import hashlib
import os
import socket
from functools import cache
from pathlib import Path


@cache
def place() -> str:
    """Name the process table that numbers this process; 8 hex digits.

    Two machines differ, and so do two boots of one machine and two containers on it: the number of
    a process means nothing in another of them.
    """
    words = [socket.gethostname()]
    try:
        words.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        words.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:  # Linux alone has these
        pass
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:8]


def process_identity(process: int) -> str:
    """Describe a process of this machine: host, number, place, and when it began."""
    return f"{socket.gethostname()} {process} {place()} {_start(process)}"


def is_running(description: str) -> bool | None:
    """Whether a process is there.

    Args:
        description: What `process_identity` said of it.

    Returns:
        None if it can't be known from here: another machine, or no description.
    """
    words = description.split()
    if len(words) != 4 or words[2] != place():
        return None
    # a number that was given to a new process has another start
    return exists(int(words[1])) and _start(int(words[1])) == words[3]


def exists(process: int) -> bool:
    """Whether a process of this place has this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _start(process: int) -> str:
    """When a process began, in ticks since the boot; `-` where that can't be read, or it ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "-"
    # a zombie has ended, though its number is taken
    return "-" if fields[0] in "ZX" else fields[19]
