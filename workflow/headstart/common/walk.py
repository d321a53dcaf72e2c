"""The files below a folder, whatever lies there.

Data folders hold more than scans: links that lead nowhere (the usual state of a DataLad clone),
links that lead back to themselves, pipes and sockets, names that are no UTF-8 text. None of them
ends the walk. What can't be opened is listed all the same: whoever opens it says so in its row.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from headstart.common.errors import UserError

# Made by a file system for itself, and readable by nobody else.
OF_THE_DISK = ("lost+found",)


@dataclass(frozen=True)
class File:
    """A file below a folder.

    Attributes:
        path: Relative to the folder; bytes that are no UTF-8 are written as hex escapes.
        size: Bytes; None where no regular file can be reached.
        modified: Time of its last change, ns since 1970; None as above.
        changed: Time of the last change of its name, owner or rights too, ns; None as above.
    """

    path: str
    size: int | None = None
    modified: int | None = None
    changed: int | None = None


def walk(folder: Path, spare: Path | None = None) -> tuple[list[File], list[str]]:
    """List the files and folders at every depth, sorted by path; no hidden ones.

    Links are followed, but no link leads into the same folder twice, or to where the kernel tells
    of processes and devices.

    Args:
        folder: Where to start.
        spare: A folder to leave out, wherever it lies.

    Returns:
        The files, and the paths of the folders relative to the first.

    Raises:
        UserError: If a folder can't be read: its scans would be missing without a word.
    """
    found: list[File] = []
    folders: list[str] = []
    left_out = look(spare) if spare else None
    virtual = _devices_of_the_kernel()
    known = [status for status in (look(folder), left_out) if status is not None]
    seen = {_place(status) for status in known}
    waiting = [(folder, "")]
    while waiting:
        place, prefix = waiting.pop()
        for entry in _entries(place):
            path = prefix + _readable(entry.name)
            status = look(Path(entry))
            if status is None or not stat.S_ISDIR(status.st_mode):
                found.append(_file(path, status))
                continue
            if left_out and _place(status) == _place(left_out):
                continue
            if entry.is_symlink():
                if _place(status) in seen or status.st_dev in virtual:
                    continue
                seen.add(_place(status))
            folders.append(path)
            waiting.append((Path(entry), f"{path}/"))
    return sorted(found, key=lambda file: file.path), sorted(folders)


def look(path: Path) -> os.stat_result | None:
    """Return what a path leads to; None if it leads nowhere, or in a circle, or is no path."""
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def is_file(path: Path) -> bool:
    """Tell whether a regular file can be reached; never an error, unlike Path.is_file."""
    status = look(path)
    return status is not None and stat.S_ISREG(status.st_mode)


def refuse_special(path: Path) -> None:
    """Refuse a pipe, a socket or a device where a file should be: to open it may wait for ever.

    Raises:
        UserError: If the path leads to one.
    """
    status = look(path)
    if status is not None and not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise UserError(
            f"{path}: is no file but a pipe, a socket or a device; put a file in its place, or "
            "remove it"
        )


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [e for e in entries if not e.name.startswith(".") and e.name not in OF_THE_DISK]
    except (FileNotFoundError, NotADirectoryError):
        return []  # gone meanwhile
    except OSError as error:
        raise UserError(
            f"{folder}: can't be read ({error.strerror}); make it readable, or let `path` name a "
            "folder without it"
        ) from None


def _devices_of_the_kernel() -> set[int]:
    """Return the devices of /proc and /sys, whose files are none and change while they are read."""
    mounts = [look(Path(name)) for name in ("/proc", "/sys") if Path(name).is_mount()]
    return {status.st_dev for status in mounts if status is not None}


def _place(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _readable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _file(path: str, status: os.stat_result | None) -> File:
    if status is None or not stat.S_ISREG(status.st_mode):
        return File(path)
    return File(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def list_files(folder: Path) -> tuple[list[str], list[str]]:
    """List the paths of a folder's files, and of its folders; see `walk`."""
    found, folders = walk(folder)
    return [file.path for file in found], folders
