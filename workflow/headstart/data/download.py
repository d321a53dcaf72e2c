"""Download one file: resumed after a break, and renamed only once it is complete and verified.

`urllib` does the talking: a GET with `Range` is all that is needed, and proxies and certificates
are then those of the machine (https_proxy, SSL_CERT_FILE).
"""

from __future__ import annotations

import http.client
import json
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote
from urllib.parse import urlsplit

from headstart.common import files
from headstart.common.disk import check_space
from headstart.common.errors import UserError
from headstart.common.meter import Meter
from headstart.common.meter import say
from headstart.data.file_checks import CHUNK
from headstart.data.file_checks import BrokenError
from headstart.data.file_checks import Checks
from headstart.data.file_checks import Digests
from headstart.data.file_checks import Hashes
from headstart.data.file_checks import MirrorError
from headstart.data.file_checks import Receipt
from headstart.data.file_checks import blocks
from headstart.data.file_checks import check_length
from headstart.data.file_checks import digests_of
from headstart.data.file_checks import head_fault
from headstart.data.file_checks import verify

# A connection that brings less than this many bytes/s over this many seconds has stalled.
STALL_SECONDS = 60.0
STALL_RATE = 1000
# Tries at one mirror in a row that bring nothing worth having; the wait doubles from try to try.
TRIES = 4
WAIT_SECONDS = 2.0
WORTH_HAVING = 1 << 20
LOOPBACK = ("127.0.0.1", "::1", "localhost")


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
            receipt = verify(local, url, checks) if local else _from_mirror(url, path, checks)
        except MirrorError as fault:
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
    """Return the path of a `file://` address, None for any other address."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


@dataclass(frozen=True)
class _Origin:
    """Where the bytes of a .part come from, as its .part.json says."""

    url: str
    total: int | None
    etag: str | None
    modified: str | None

    @property
    def validator(self) -> str | None:
        """What `If-Range` may carry: a weak ETag says nothing of bytes."""
        if self.etag is not None and not self.etag.startswith("W/"):
            return self.etag
        return self.modified


class _Part:
    """The bytes received so far, and the note of their origin."""

    def __init__(self, path: Path):
        self.path = path.with_name(path.name + ".part")
        self._note = path.with_name(path.name + ".part.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def origin(self, url: str, checks: Checks) -> _Origin | None:
        """Return the origin if the download can be resumed from this address."""
        try:
            values = json.loads(self._note.read_text(encoding="utf-8"))
            origin = _Origin(**values)
        except (OSError, ValueError, TypeError):
            return None
        vouched = origin.validator is not None or checks.decisive
        same = origin.url == url and (origin.total is None or self.size <= origin.total)
        return origin if same and vouched and self.size else None

    def begin(self, origin: _Origin) -> None:
        """Start afresh. The old bytes are removed first, so that no note ever claims them."""
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
            raise MirrorError(f"sends on to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


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
                raise MirrorError(f"{broken}, {TRIES} times") from broken
            wait = WAIT_SECONDS * 2 ** (tries - 1)
            say(f"{path.name}: {url}: {broken}; trying again in {wait:.0f} s")
            time.sleep(wait)
            continue
        fault = head_fault(part.path, path.name) or checks.fault(found)
        if fault is None:
            part.finish(path)
            return Receipt(path, url, found)
        part.discard()
        tries += 1
        if not resumed or tries == TRIES:
            raise MirrorError(fault)
        say(f"{path.name}: {fault}, after going on from a part; once more from the start")


def _attempt(url: str, part: _Part, checks: Checks) -> Digests:
    """Request the file, or the rest of it, once, and keep what arrives."""
    origin = part.origin(url, checks)
    offset = part.size if origin else 0
    if origin and offset == origin.total:
        return digests_of(part.path)
    with _open(url, part, origin) as response:
        headers = response.headers
        if headers.get_content_type() in ("text/html", "application/xhtml+xml"):
            raise MirrorError("answers with a web page, not with the file")
        if origin and response.status == http.HTTPStatus.PARTIAL_CONTENT:
            if not _goes_on(response, origin, offset):
                part.discard()
                raise BrokenError("went on with another file, or from another place")
        elif response.status == http.HTTPStatus.OK:
            offset = 0
            length = headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else None
            check_length(total, checks)
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
        raise MirrorError(f"answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise MirrorError(
                f"its certificate can't be trusted ({error.reason.verify_message}); the variable "
                "SSL_CERT_FILE can name this machine's certificates"
            ) from error
        raise BrokenError(f"can't be reached ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        raise BrokenError(f"broke off ({_reason(error)})") from error


def _receive(
    response: http.client.HTTPResponse, part: _Part, offset: int, total: int | None
) -> Digests:
    """Append to the first `offset` bytes, which are hashed again."""
    hashes = Hashes()
    label = part.path.stem
    with part.path.open("r+b") as file:
        for block in blocks(file):
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


def _goes_on(response: http.client.HTTPResponse, origin: _Origin, offset: int) -> bool:
    """Whether a 206 response continues the same file to its end."""
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
        raise MirrorError(f"no way to download from '{parts.scheme}:'; use https:// or file://")
    if not checks.decisive and parts.hostname not in LOOPBACK:
        raise MirrorError("http:// proves nothing about the bytes, and no checksum is known")


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
