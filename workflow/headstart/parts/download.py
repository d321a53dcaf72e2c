"""Download one file whole: resumed after a break, and never under its name before it is right.

`urllib` does the talking: a GET with `Range` is all that is needed, and proxies and certificates
are then those of the machine (https_proxy, SSL_CERT_FILE).
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import unquote
from urllib.parse import urlsplit

from tqdm import tqdm

from headstart.parts import files
from headstart.parts.errors import UserError

CHUNK = 1 << 20
# A connection that brings less than this many bytes/s over this many seconds has stalled.
STALL_SECONDS = 60.0
STALL_RATE = 1000
# Tries at one mirror in a row that bring nothing worth having; the wait doubles from try to try.
TRIES = 4
WAIT_SECONDS = 2.0
WORTH_HAVING = 1 << 20
# Left free on the disk, for everything else that is being written.
RESERVE = 200_000_000
LINE_SECONDS = 30.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")
MAGIC = {
    (".gz", ".tgz"): b"\x1f\x8b",
    (".zip", ".xlsx"): b"PK",
    (".xls",): b"\xd0\xcf\x11\xe0",
}


@dataclass(frozen=True)
class Checks:
    """What is known beforehand of a file's bytes; None where nobody says."""

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
    """A file that has come, and was checked.

    Attributes:
        path: Where it lies.
        url: Where it came from.
        digests: What its bytes are.
    """

    path: Path
    url: str
    digests: Digests


@dataclass(frozen=True)
class Space:
    """Room for new files, in bytes: what the disk has free, what the user's quota leaves."""

    free: int
    quota: int | None

    @property
    def room(self) -> int:
        """Bytes that may be written."""
        left = self.free - RESERVE
        return max(0, left if self.quota is None else min(left, self.quota))


class BrokenError(Exception):
    """The connection failed; another try may do better."""


class RefusedError(Exception):
    """This mirror won't do, however often it is tried."""


def download(urls: Sequence[str], path: Path, checks: Checks) -> Receipt:
    """Download a file from the first mirror that has the right bytes.

    The bytes are gathered in `NAME.part`, with a note of their origin in `NAME.part.json`. A later
    call goes on from there if the server vouches (`If-Range`, `Content-Range`) that it is the same
    file. The file gets its name after its size and checksums were found right.

    Args:
        urls: Mirrors in the order of trying: `https://`, `file://`, and `http://` if a checksum
            is known. A `file://` is checked where it lies, and not copied.
        path: Final name.
        checks: What is known of the bytes.

    Raises:
        UserError: If no mirror has the right bytes, or the disk or the quota has no room for them.
    """
    faults = []
    for url in urls:
        try:
            local = local_path(url)
            receipt = _verify(local, url, checks) if local else _from_mirror(url, path, checks)
        except RefusedError as fault:
            faults.append(f"{url}: {fault}")
            say(f"{path.name}: {url}: {fault}")
        else:
            return receipt
    raise UserError(
        f"{path.name}: no mirror has it ({'; '.join(faults)}); try again later, or name a folder "
        "or an address that has it with --mirror (a copy that differs, and that you trust, needs "
        "its sha256 in the lock file)"
    )


def local_path(url: str) -> Path | None:
    """Return the path that a `file://` address names, None for any other address."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def digest(path: Path) -> Digests:
    """Return size, sha256 and md5 of a file."""
    hashes = _Hashes()
    with path.open("rb") as file, Meter(f"{path.name}, checking", path.stat().st_size) as meter:
        for block in _blocks(file):
            hashes.update(block)
            meter.add(len(block))
    return hashes.digests


def space(folder: Path) -> Space:
    """Return the room for new files in a folder, or in the nearest folder above that exists."""
    folder = folder.resolve()
    while not folder.exists():
        folder = folder.parent
    return Space(shutil.disk_usage(folder).free, _quota_left(folder))


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
            text += f", {_duration((self.total - self.done) / speed)} left"
        return text


class _Hashes:
    def __init__(self) -> None:
        self._size = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)  # all that IXI's mirrors publish

    def update(self, block: bytes) -> None:
        self._size += len(block)
        self._sha256.update(block)
        self._md5.update(block)

    @property
    def digests(self) -> Digests:
        return Digests(self._size, self._sha256.hexdigest(), self._md5.hexdigest())


@dataclass(frozen=True)
class _Origin:
    """Where the bytes of a .part come from, as its .part.json says."""

    url: str
    total: int | None
    etag: str | None
    modified: str | None

    @property
    def validator(self) -> str | None:
        """What `If-Range` may carry: a weak ETag doesn't vouch for bytes."""
        if self.etag is not None and not self.etag.startswith("W/"):
            return self.etag
        return self.modified


class _Part:
    """The bytes that have come so far, and the note of their origin."""

    def __init__(self, path: Path):
        self.path = path.with_name(path.name + ".part")
        self._note = path.with_name(path.name + ".part.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def origin(self, url: str, checks: Checks) -> _Origin | None:
        """Return the origin if these bytes may be gone on from at this address."""
        try:
            values = json.loads(self._note.read_text(encoding="utf-8"))
            origin = _Origin(**values)
        except (OSError, ValueError, TypeError):
            return None
        vouched = origin.validator is not None or checks.decisive
        same = origin.url == url and (origin.total is None or self.size <= origin.total)
        return origin if same and vouched and self.size else None

    def begin(self, origin: _Origin) -> None:
        """Start from nothing. The old bytes go first, so that no note ever vouches for them."""
        self.discard()
        self.path.touch()
        files.write_json(self._note, asdict(origin))

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def finish(self, path: Path) -> None:
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(path)
        self._note.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but never from https to http."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise RefusedError(f"sends on to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _verify(path: Path, url: str, checks: Checks) -> Receipt:
    """Check a file where it lies."""
    if not path.is_file():
        raise RefusedError("no such file")
    found = digest(path)
    fault = _head_fault(path, path.name) or checks.fault(found)
    if fault:
        raise RefusedError(fault)
    return Receipt(path, url, found)


def _from_mirror(url: str, path: Path, checks: Checks) -> Receipt:
    _check_scheme(url, checks)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _Part(path)
    tries, most = 0, part.size
    while True:
        resumed = part.size > 0
        try:
            found = _attempt(url, part, checks)
        except BrokenError as broken:
            tries = 1 if part.size >= most + WORTH_HAVING else tries + 1
            most = max(most, part.size)
            if tries == TRIES:
                raise RefusedError(f"{broken}, {TRIES} times") from broken
            wait = WAIT_SECONDS * 2 ** (tries - 1)
            say(f"{path.name}: {url}: {broken}; trying again in {wait:.0f} s")
            time.sleep(wait)
            continue
        fault = _head_fault(part.path, path.name) or checks.fault(found)
        if fault is None:
            part.finish(path)
            return Receipt(path, url, found)
        part.discard()
        tries += 1
        if not resumed or tries == TRIES:
            raise RefusedError(fault)
        say(f"{path.name}: {fault}, after going on from a part; once more from the start")


def _attempt(url: str, part: _Part, checks: Checks) -> Digests:
    """Ask once for the file, or the rest of it, and take what comes."""
    origin = part.origin(url, checks)
    offset = part.size if origin else 0
    if origin and offset == origin.total:
        return digest(part.path)
    with _open(url, part, origin) as response:
        headers = response.headers
        if headers.get_content_type() in ("text/html", "application/xhtml+xml"):
            raise RefusedError("answers with a web page, not with the file")
        if origin and response.status == http.HTTPStatus.PARTIAL_CONTENT:
            if not _goes_on(response, origin, offset):
                part.discard()
                raise BrokenError("went on with another file, or from another place")
        elif response.status == http.HTTPStatus.OK:
            offset = 0
            length = headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else None
            _check_length(total, checks)
            origin = _Origin(url, total, headers.get("ETag"), headers.get("Last-Modified"))
            part.begin(origin)
        else:
            raise BrokenError(f"answered {response.status} {response.reason}")
        missing = (origin.total or checks.size or 0) - offset
        check_space(part.path.parent, missing, part.path.stem)
        return _receive(response, part, offset, origin.total)


def _open(url: str, part: _Part, origin: _Origin | None) -> http.client.HTTPResponse:
    headers = {"User-Agent": "headstart", "Accept-Encoding": "identity"}
    if origin:
        headers["Range"] = f"bytes={part.size}-"
        if origin.validator:
            headers["If-Range"] = origin.validator
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme was checked
    opener = urllib.request.build_opener(
        _SafeRedirects, urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )
    try:
        return opener.open(request, timeout=STALL_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.discard()
            raise BrokenError("has no such part of the file any more (416)") from error
        if error.code in (408, 425, 429) or error.code >= 500:
            raise BrokenError(f"answered {error.code} {error.reason}") from error
        raise RefusedError(f"answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise RefusedError(
                f"its certificate can't be trusted ({error.reason.verify_message}); the variable "
                "SSL_CERT_FILE can name this machine's certificates"
            ) from error
        raise BrokenError(f"can't be reached ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        raise BrokenError(f"broke off ({_reason(error)})") from error


def _receive(
    response: http.client.HTTPResponse, part: _Part, offset: int, total: int | None
) -> Digests:
    """Write what comes behind the first `offset` bytes, which are hashed anew."""
    hashes = _Hashes()
    label = part.path.stem
    with part.path.open("r+b") as file:
        for block in _blocks(file):
            hashes.update(block)
        with Meter(label, total, offset) as meter:
            for block in _arriving(response):
                try:
                    file.write(block)
                    file.flush()
                except OSError as error:
                    raise UserError(
                        f"{part.path}: can't be written ({error.strerror}); make room, and the "
                        "download goes on from there"
                    ) from error
                hashes.update(block)
                meter.add(len(block))
    say(meter.line())
    found = hashes.digests
    if total is not None and found.bytes != total:
        raise BrokenError(f"broke off after {found.bytes} of {total} bytes")
    return found


def _arriving(response: http.client.HTTPResponse) -> Iterator[bytes]:
    since, gained = time.monotonic(), 0
    while True:
        try:
            block = response.read1(CHUNK)
        except TimeoutError as error:
            raise BrokenError(f"stalled: not a byte in {STALL_SECONDS:.0f} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise BrokenError(f"broke off ({_reason(error)})") from error
        if not block:
            return
        yield block
        gained += len(block)
        elapsed = time.monotonic() - since
        if elapsed >= STALL_SECONDS:
            if gained < STALL_RATE * elapsed:
                raise BrokenError(f"stalled: {gained} bytes in {elapsed:.0f} s")
            since, gained = time.monotonic(), 0


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(CHUNK):
        yield block


def _goes_on(response: http.client.HTTPResponse, origin: _Origin, offset: int) -> bool:
    """Whether a 206 brings the same file from where we are to its end."""
    headers = response.headers
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", headers.get("Content-Range", ""))
    if match is None:
        return False
    first, last, total = (int(number) for number in match.groups())
    changed = origin.etag is not None and headers.get("ETag", origin.etag) != origin.etag
    return (first, last, total) == (offset, total - 1, origin.total) and not changed


def _check_scheme(url: str, checks: Checks) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https":
        return
    if parts.scheme != "http":
        raise RefusedError(f"no way to download from '{parts.scheme}:'; use https:// or file://")
    if not checks.decisive and parts.hostname not in LOOPBACK:
        raise RefusedError("http:// proves nothing about the bytes, and no checksum is known")


def _check_length(total: int | None, checks: Checks) -> None:
    if total is None and checks.size is None and not checks.decisive:
        raise RefusedError("doesn't say how long the file is, and no checksum is known")
    if total is not None and checks.size is not None and total != checks.size:
        raise RefusedError(f"offers {total} bytes, not {checks.size}")


def _head_fault(path: Path, name: str) -> str | None:
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


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"
