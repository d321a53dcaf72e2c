"""Room on a disk, quotas counted."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from headstart.common.errors import UserError

# Left free on the disk, for everything else that is being written.
RESERVE = 200_000_000


@dataclass(frozen=True)
class DiskSpace:
    """Room for new files, in bytes: what the disk has free, what the user's quota leaves."""

    free: int
    quota: int | None

    @property
    def room(self) -> int:
        """Bytes that may be written."""
        left = self.free - RESERVE
        return max(0, left if self.quota is None else min(left, self.quota))


def space(folder: Path) -> DiskSpace:
    """Return the room for new files in a folder, or in the nearest folder above that exists."""
    folder = folder.resolve()
    while not folder.exists():
        folder = folder.parent
    return DiskSpace(shutil.disk_usage(folder).free, _quota_left(folder))


def check_space(folder: Path, needed: int, what: str) -> None:
    """Check that there is room for so many bytes.

    Raises:
        UserError: If the disk, or the user's quota, has not.
    """
    there = space(folder)
    if needed > there.room:
        quota = "" if there.quota is None else f", quota leaves {gigabytes(there.quota)}"
        raise UserError(
            f"{folder}: {what} needs {gigabytes(needed)}, but there is room for "
            f"{gigabytes(there.room)} (disk has {gigabytes(there.free)} free{quota}); make room or "
            "set the data root to a larger disk"
        )


def gigabytes(size: int) -> str:
    """Write a number of bytes in the unit that suits it, GB = 10^9 bytes."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size} bytes"


def _quota_left(folder: Path) -> int | None:
    """Return what the user's quota leaves on the folder's disk, in bytes, as `quota` reports it.

    The disk's own free space doesn't tell: on a shared disk it is far above what one user may
    take. None where there is no quota, or no command that knows.
    """
    command = shutil.which("quota")
    if command is None:
        return None
    try:
        report = subprocess.run(  # noqa: S603 - no word of it comes from outside
            [command, "-w", "-p"], capture_output=True, text=True, timeout=20, check=False
        ).stdout
        device = _device(folder)
    except (OSError, subprocess.TimeoutExpired):
        return None
    for line in report.splitlines():
        words = line.split()
        if len(words) >= 4 and words[0] == device:
            used, soft, hard = (int(re.sub(r"\D", "", word) or 0) for word in words[1:4])
            limit = hard or soft
            return max(0, limit - used) * 1024 if limit else None
    return None


def _device(folder: Path) -> str:
    """Return the device, or server:/export, that is mounted where the folder lies."""
    mounts = [line.split()[:2] for line in Path("/proc/mounts").read_text().splitlines()]
    above = [
        (len(point), device) for device, point in mounts if folder.is_relative_to(_unescaped(point))
    ]
    return max(above)[1]


def _unescaped(point: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
