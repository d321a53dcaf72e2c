"""A web server on the loopback that misbehaves as asked, one mood per request."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer

PAGE = b"<!DOCTYPE html>\n<html><body>Sorry, we are moving house.</body></html>\n"


class BadServer(ThreadingHTTPServer):
    """Serves `content`, a dict of path: bytes, in the moods of `moods`, a dict of path: list.

    Each request takes the path's next mood; when they are used up, the server is good: it knows
    Range, If-Range and ETag. `requests` keeps (path, Range, If-Range) of every request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content: dict[str, bytes] = {}
        self.moods: dict[str, list[str]] = {}
        self.requests: list[tuple[str, str | None, str | None]] = []
        self.closing = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    server: BadServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        self.server.requests.append((path, asked, condition))
        self.close_connection = True
        moods = self.server.moods.get(path, [])
        mood = moods.pop(0) if moods else "good"
        content = self.server.content.get(path)
        if content is None or mood == "404":
            self.send_error(404)
        else:
            getattr(self, mood.replace("-", "_"))(content)

    def good(self, content: bytes) -> None:
        start = self.start(content)
        self.head(content, start)
        self.wfile.write(content[start:])

    def no_range(self, content: bytes) -> None:
        self.head(content, 0)
        self.wfile.write(content)

    def drop(self, content: bytes) -> None:
        """Promises everything and hangs up half way through what was left."""
        start = self.start(content)
        self.head(content, start)
        self.wfile.write(content[start : (start + len(content)) // 2])

    def drop_no_range(self, content: bytes) -> None:
        self.head(content, 0)
        self.wfile.write(content[: len(content) // 2])

    def truncate(self, content: bytes) -> None:
        """Half the file, as if that were all of it."""
        self.head(content[: len(content) // 2], 0, validators=False)
        self.wfile.write(content[: len(content) // 2])

    def unsized(self, content: bytes) -> None:
        """Half the file, without a length."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])

    def chunked(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))

    def chunked_drop(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%s" % (len(content), content[: len(content) // 2]))

    def stall(self, content: bytes) -> None:
        self.drop(content)
        self.wfile.flush()
        self.server.closing.wait()

    def trickle(self, content: bytes) -> None:
        self.head(content, 0)
        for number in range(len(content)):
            self.wfile.write(content[number : number + 1])
            if self.server.closing.wait(0.02):
                return

    def slow(self, content: bytes) -> None:
        """Everything, in a second or two."""
        start = self.start(content)
        self.head(content, start)
        step = max(1, len(content) // 50)
        for place in range(start, len(content), step):
            self.wfile.write(content[place : place + step])
            self.wfile.flush()
            time.sleep(0.04)

    def html(self, _content: bytes) -> None:
        self.head(PAGE, 0, kind="text/html; charset=utf-8", validators=False)
        self.wfile.write(PAGE)

    def html_disguised(self, _content: bytes) -> None:
        self.head(PAGE, 0, validators=False)
        self.wfile.write(PAGE)

    def wrong(self, content: bytes) -> None:
        self.head(content, 0)
        self.wfile.write(bytes(len(content)))

    def changes(self, content: bytes) -> None:
        """Half of the old file; from now on there is another one of the same length."""
        self.drop(content)
        self.server.content[self.path] = content[::-1]

    def blind(self, content: bytes) -> None:
        """A 206 whatever If-Range says, as if the file had never changed."""
        start = self.start(content, blind=True)
        self.head(content, start, validators=False)
        self.wfile.write(content[start:])

    def other(self, content: bytes) -> None:
        """A 206 of another file, as its ETag says."""
        start = self.start(content, blind=True)
        self.head(content, start)
        self.wfile.write(content[start:])

    def shifted(self, content: bytes) -> None:
        """A 206 from another place than was asked for."""
        start = max(0, self.start(content) - 10)
        self.head(content, start)
        self.wfile.write(content[start:])

    def gone(self, _content: bytes) -> None:
        self.send_error(416)

    def busy(self, _content: bytes) -> None:
        self.send_error(503)

    def reset(self, _content: bytes) -> None:
        """Not a word."""

    def weak(self, content: bytes) -> None:
        """Hangs up half way, with an ETag that vouches for nothing."""
        self.send_response(200)
        self.send_header("ETag", 'W/"1"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])

    def start(self, content: bytes, *, blind: bool = False) -> int:
        """Where to begin: as asked, if the file is still the one that the client knows."""
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if asked is None or (condition not in (None, etag(content)) and not blind):
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def head(
        self,
        content: bytes,
        start: int,
        *,
        kind: str = "application/octet-stream",
        validators: bool = True,
    ) -> None:
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) - start))
        if validators:
            self.send_header("ETag", etag(content))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silence."""


def etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:12]}"'


@contextmanager
def serving() -> Iterator[BadServer]:
    server = BadServer()
    run: Callable[[], None] = server.serve_forever
    thread = threading.Thread(target=run, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
