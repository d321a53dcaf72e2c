"""Unpack untrusted archives: only the named files, and nothing outside the folder.

The rules are stricter than those of tarfile's data filter, which lets links and `a/../b` pass, and
hold for .zip too.
"""

from __future__ import annotations

import errno
import lzma
import re
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO
from typing import cast

from isal import igzip
from isal import isal_zlib

from headstart.common import machine_errors
from headstart.common import machine_words
from headstart.common.errors import UserError

# IXI-DTI, the fullest archive known here, has about 9,000 entries.
MAX_ENTRIES = 100_000
MAX_BYTES = 200_000_000_000
# Real scans shrink to a fifth or a tenth, label maps to a hundredth; a bomb to a thousandth.
MAX_RATIO = 200
RATIO_FROM = 100_000_000
CHUNK = 1 << 20
# A header of a tar may announce a name of any length; tarfile would read it into memory.
MAX_READ = 16 << 20
DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    # zipfile's words for a version, a compression, a name or an encryption that it does not know
    NotImplementedError,
    IndexError,  # of a member without a name
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
    igzip.BadGzipFile,
    cast(type[Exception], isal_zlib.error),
    zlib.error,
    EOFError,
)


class HostileError(Exception):
    """What is wrong with an archive."""


@dataclass(frozen=True)
class Member:
    """One entry of an archive.

    Attributes:
        name: As the archive has it.
        kind: file, folder, or what else it is, in words.
        size: Bytes it claims to unpack to.
        open: Opens its bytes.
    """

    name: str
    kind: str
    size: int
    open: Callable[[], IO[bytes]]


def extract(
    archive: Path, wanted: Mapping[str, re.Pattern[str]], destination: Path
) -> dict[str, list[str]]:
    """Unpack the wanted files of a .tar, .tar.gz or .zip.

    Every entry is looked at, wanted or not, to the archive's end: one that is no plain file or
    folder, whose name leads elsewhere, or that comes twice condemns the whole archive. Plain files
    that nobody wants are passed over.

    Args:
        archive: The archive.
        wanted: Folder name: pattern that a whole entry name (without a leading `./`) must match;
            its group `path` is the name under that folder. The first pattern that matches counts.
        destination: Existing folder to make these folders in. What is there stays; a file that is
            there already is an error.

    Returns:
        For each folder, the names under it that were written, in the archive's order.

    Raises:
        UserError: If the archive is damaged or hostile. What was unpacked till then is left in
            `destination`, which is the caller's to remove.
    """
    written: dict[str, list[str]] = {folder: [] for folder in wanted}
    names: set[str] = set()
    total = 0
    try:
        with _members(archive) as members:
            for member in members:
                name = _safe_name(member.name)
                if member.kind == "folder":
                    continue
                if member.kind != "file":
                    raise HostileError(f"{_shown(member.name)} is {member.kind}, not a plain file")
                _claim(name, names)
                total += member.size
                if member.size < 0 or total > MAX_BYTES:
                    raise HostileError(f"unpacks to more than {MAX_BYTES / 1e9:.0f} GB")
                for folder, pattern in wanted.items():
                    match = pattern.fullmatch(name)
                    if match:
                        _write(member, destination / folder / match["path"])
                        written[folder].append(match["path"])
                        break
    except HostileError as fault:
        raise UserError(
            f"{archive}: {fault}; nothing of it was kept: delete the archive and get it elsewhere"
        ) from fault
    except DAMAGED as error:
        raise UserError(
            f"{archive}: is damaged or not an archive ({error}); delete it and fetch again"
        ) from error
    except OSError as error:
        if error.errno is None:  # bz2's word for damaged data
            raise UserError(
                f"{archive}: is damaged or not an archive ({error}); delete it and fetch again"
            ) from error
        fix = "make room there, or set the data root to a larger disk"
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            fix = machine_errors.advice(error, destination) or machine_words.AGAIN
        raise UserError(
            f"{archive}: can't be unpacked into {destination} ({error.strerror}); {fix}"
        ) from error
    return written


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[Member]]:
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as file:
            yield _zip_members(file, archive.stat().st_size)
    elif archive.name.endswith((".gz", ".tgz")):
        with archive.open("rb") as packed, igzip.open(packed, "rb") as raw:
            yield _tar_members(_Guarded(raw, packed))
    else:
        with archive.open("rb") as raw:
            yield _tar_members(_Guarded(raw, None))


def _tar_members(raw: _Guarded) -> Iterator[Member]:
    with tarfile.open(fileobj=raw, mode="r:", encoding="utf-8") as tar:  # type: ignore[call-overload]
        for number, info in enumerate(iter(tar.next, None), start=1):
            _check_entries(number)
            tar.members.clear()  # it would keep every header in memory
            yield Member(info.name, _tar_kind(info), info.size, partial(_opened, tar, info))
        # tarfile takes a header that is cut off or damaged for the end
        if raw.last != bytes(tarfile.BLOCKSIZE):
            raise HostileError("is cut off or damaged: it has no end mark")
    while raw.read(CHUNK):  # to the end, where the checksum of gzip is
        pass


def _opened(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(info)
    if file is None:
        raise HostileError(f"{_shown(info.name)} can't be read")
    return file


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.isdir():
        return "folder"
    if info.issym() or info.islnk():
        return f"a link to {_shown(info.linkname)}"
    if info.issparse():
        return "a sparse file"
    return "file" if info.isreg() else "a device or a pipe"


def _zip_members(file: zipfile.ZipFile, packed: int) -> Iterator[Member]:
    entries = file.infolist()
    _check_entries(len(entries))
    _check_ratio(sum(info.file_size for info in entries), packed)
    for info in entries:
        size = info.file_size
        yield Member(info.orig_filename, _zip_kind(info), size, partial(file.open, info))


def _zip_kind(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if info.flag_bits & 1:
        return "encrypted"
    if stat.S_ISLNK(mode):
        return "a link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a device or a pipe"
    return "folder" if info.is_dir() else "file"


def _check_entries(number: int) -> None:
    if number > MAX_ENTRIES:
        raise HostileError(f"has more than {MAX_ENTRIES} entries")


def _check_ratio(unpacked: int, packed: int) -> None:
    if unpacked > RATIO_FROM and unpacked > MAX_RATIO * packed:
        raise HostileError(f"unpacks to more than {MAX_RATIO} times its size, as a bomb does")


def _safe_name(name: str) -> str:
    """Return an entry's name without a leading './' and a trailing '/'.

    Raises:
        HostileError: If it leads out of the folder, or may mean another thing on another system.
    """
    plain = name.removesuffix("/")
    while plain.startswith("./"):
        plain = plain[2:]
    if plain == ".":
        return plain
    try:
        plain.encode("utf-8")
    except UnicodeEncodeError:
        raise HostileError(f"{_shown(name)} is a name that is not UTF-8") from None
    if any(unicodedata.category(letter) in ("Cc", "Cf") for letter in plain):
        raise HostileError(f"{_shown(name)} is a name with control characters")
    if plain.startswith("/") or re.match(r"[A-Za-z]:", plain):
        raise HostileError(f"{_shown(name)} is an absolute path")
    if "\\" in plain or any(part in ("", ".", "..") for part in plain.split("/")):
        raise HostileError(f"{_shown(name)} is a path that may lead out of the folder")
    return plain


def _claim(name: str, names: set[str]) -> None:
    """Note a file's name; on some disks, capitals and composed letters make no difference."""
    key = unicodedata.normalize("NFC", name).casefold()
    if key in names:
        raise HostileError(f"{_shown(name)} comes twice")
    names.add(key)


def _write(member: Member, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path.open("xb")
    except (FileExistsError, NotADirectoryError):
        raise HostileError(
            f"{_shown(member.name)} comes twice, or is a file and a folder"
        ) from None
    with target, member.open() as source:
        left = member.size
        while block := source.read(CHUNK):
            left -= len(block)
            if left < 0:
                break
            target.write(block)
    if left:
        raise HostileError(f"{_shown(member.name)} is not as long as it claims")


def _shown(name: str) -> str:
    shown = ascii(name)
    return shown if len(shown) <= 80 else f"{shown[:77]}…'"


class _Guarded:
    """A forward-only stream that reads in bounded pieces and stops a decompression bomb.

    In a compressed stream, a way back would mean to unpack everything again.

    Attributes:
        last: The bytes that were read last.
    """

    def __init__(self, raw: IO[bytes], packed: IO[bytes] | None):
        self._raw = raw
        self._packed = packed
        self._at = 0
        self._target = 0
        self.last = b""

    def tell(self) -> int:
        return self._target

    def seek(self, position: int) -> int:
        self._target = position
        return position

    def read(self, size: int) -> bytes:
        if size > MAX_READ:
            raise HostileError("has a header of more than 16 MB")
        self._skip()
        self.last = self._raw.read(size)
        self._at += len(self.last)
        self._target = self._at
        self._check()
        return self.last

    def _skip(self) -> None:
        if self._target < self._at:
            raise HostileError("has an entry that leads back to an earlier one")
        if self._packed is None:
            self._raw.seek(self._target)
            self._at = self._target
        while self._at < self._target:
            skipped = len(self._raw.read(min(CHUNK, self._target - self._at)))
            if not skipped:
                break
            self._at += skipped
            self._check()

    def _check(self) -> None:
        if self._packed is not None:
            _check_ratio(self._at, self._packed.tell())
