"""Whether a downloaded file is the published one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from headstart.common.meter import Meter

CHUNK = 1 << 20
MAGIC = {
    (".gz", ".tgz"): b"\x1f\x8b",
    (".zip", ".xlsx"): b"PK",
    (".xls",): b"\xd0\xcf\x11\xe0",
}


@dataclass(frozen=True)
class Checks:
    """What is published of a file's bytes; None if not published."""

    md5: str | None = None
    sha256: str | None = None
    size: int | None = None

    @property
    def decisive(self) -> bool:
        """Whether a checksum is known, so that a wrong byte can't pass."""
        return bool(self.md5 or self.sha256)

    def fault(self, digests: Digests) -> str | None:
        """Say what differs from what is known; None if nothing does."""
        known = (("bytes", self.size), ("sha256", self.sha256), ("md5", self.md5))
        for name, expected in known:
            found = getattr(digests, name)
            if expected is not None and found != expected:
                return f"its {name} is {found}, not {expected} (its sha256 is {digests.sha256})"
        return None


@dataclass(frozen=True)
class Digests:
    """What a file's bytes are."""

    bytes: int
    sha256: str
    md5: str


@dataclass(frozen=True)
class Receipt:
    """A file that was received and checked.

    Attributes:
        path: Where it lies.
        url: Where it came from.
        digests: What its bytes are.
    """

    path: Path
    url: str
    digests: Digests


class BrokenError(Exception):
    """The connection failed; another try may do better."""


class MirrorError(Exception):
    """This mirror can't serve the file, however often it is tried."""


def digests_of(path: Path) -> Digests:
    """Return size, sha256 and md5 of a file."""
    hashes = Hashes()
    with path.open("rb") as file, Meter(f"{path.name}, checking", path.stat().st_size) as meter:
        for block in blocks(file):
            hashes.update(block)
            meter.add(len(block))
    return hashes.digests


class Hashes:
    """Size, sha256 and md5 of a file, block by block."""

    def __init__(self) -> None:
        self._size = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)  # all that IXI's mirrors publish

    def update(self, block: bytes) -> None:
        """Take in the next block."""
        self._size += len(block)
        self._sha256.update(block)
        self._md5.update(block)

    @property
    def digests(self) -> Digests:
        """Of all blocks so far."""
        return Digests(self._size, self._sha256.hexdigest(), self._md5.hexdigest())


def verify(path: Path, url: str, checks: Checks) -> Receipt:
    """Check a file where it lies."""
    if not path.is_file():
        raise MirrorError("no such file")
    found = digests_of(path)
    fault = head_fault(path, path.name) or checks.fault(found)
    if fault:
        raise MirrorError(fault)
    return Receipt(path, url, found)


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield a file in blocks."""
    while block := file.read(CHUNK):
        yield block


def check_length(total: int | None, checks: Checks) -> None:
    """Refuse a length that is not the published one, or no length where nothing else is known."""
    if total is None and checks.size is None and not checks.decisive:
        raise MirrorError("doesn't say how long the file is, and no checksum is known")
    if total is not None and checks.size is not None and total != checks.size:
        raise MirrorError(f"offers {total} bytes, not {checks.size}")


def head_fault(path: Path, name: str) -> str | None:
    """Say what is wrong with the first bytes of a file of this name."""
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        return "it is empty"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return "it is a web page, not data"
    for endings, magic in MAGIC.items():
        if name.endswith(endings) and not head.startswith(magic):
            return f"it doesn't begin as a {endings[0]} file does"
    return None
