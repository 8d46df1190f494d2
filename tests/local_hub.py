"""A server on this machine in the place of a hub and of plain addresses, which can be cut, slow, closed or wrong."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34


@dataclass
class LocalHub:
    """What is served, how badly, and what was asked.

    Attributes:
        files: path to bytes.
        cut: path to the number of answers that end half-way.
        status: path to an error that is answered instead.
        moved: path to an address it is redirected to.
        delay: seconds before every answer.
        ranges: whether parts are served.
        asked: (method, path, headers in lower case) of every request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cut: Counter = field(default_factory=Counter)
    status: dict[str, int] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    ranges: bool = True
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    address: str = ""

    def put(self, repository: str, revision: str, path: str, content: bytes, kind: str = "datasets/") -> str:
        """Serve a file as a hub does; returns its path on the server."""
        place = f"/{kind}{repository}/resolve/{revision}/{path}"
        self.files[place] = content
        return place

    def requests(self, path: str, method: str = "GET") -> list[dict[str, str]]:
        """Headers of the requests for a path."""
        return [headers for asked, place, headers in self.asked if (asked, place) == (method, path)]

    def tree(self, path: str) -> bytes | None:
        """The listing of a repository at a commit, as a hub's API gives it."""
        parts = path.split("/")
        if len(parts) != 7 or parts[1:3] != ["api", "models"] or parts[5] != "tree":
            return None
        start = f"/{parts[3]}/{parts[4]}/resolve/{parts[6]}/"
        return json.dumps(
            [
                {"type": "file", "path": name.removeprefix(start), "size": len(content), "oid": digest(content)}
                for name, content in self.files.items()
                if name.startswith(start)
            ]
        ).encode()


def digest(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def commit_of(path: str) -> str:
    """The commit that a hub names in its answer: the one asked for, or where its main branch stands."""
    asked = path.partition("/resolve/")[2].partition("/")[0]
    return asked if len(asked) == 40 else COMMIT


class Handler(BaseHTTPRequestHandler):
    hub: LocalHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(body=True)

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def answer(self, body: bool) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub.asked.append((self.command, path, {name.lower(): value for name, value in self.headers.items()}))
        time.sleep(hub.delay)
        content = hub.files.get(path, hub.tree(path))
        if path in hub.moved:
            self.head(302, 0, Location=hub.moved[path], **{"X-Repo-Commit": commit_of(path)})
        elif path in hub.status or content is None:
            self.head(hub.status.get(path, 404), 0)
        else:
            self.send(path, content, body)

    def send(self, path: str, content: bytes, body: bool) -> None:
        start, status, extra = 0, 200, {}
        asked = self.headers.get("Range")
        if asked and self.hub.ranges:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            extra["Content-Range"] = (
                f"bytes */{len(content)}" if start >= len(content) else f"bytes {start}-{len(content) - 1}/{len(content)}"
            )
            status = 416 if start >= len(content) else 206
        part = b"" if status == 416 else content[start:]
        self.head(status, len(part), ETag=f'"{digest(content)}"', **{"X-Repo-Commit": commit_of(path)}, **extra)
        if not body:
            return
        if self.hub.cut[path] > 0:
            self.hub.cut[path] -= 1
            part = part[: len(part) // 2]
            self.close_connection = True
        with suppress(ConnectionError):  # who was given up does not mind
            self.wfile.write(part)

    def head(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving():
    """A running server; its ``address`` is what HF_ENDPOINT or an entry's url names."""
    hub = LocalHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OwnHandler", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
