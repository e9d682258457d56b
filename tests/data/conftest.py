"""A web server that behaves well or badly on demand, small data sets, and real ones where they are."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hadaptive.data import prepare


class Server(ThreadingHTTPServer):
    """Serves `content` at any path but /missing. The switches break it in one way each."""

    content = b""
    ranges = True  # answer Range requests with a part
    cut_after: int | None = None  # send so many bytes of each answer, then hang up
    cuts = 0  # how many answers to cut
    delay_s = 0.0
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[str | None] = []  # the Range header of each request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/archive.tar.gz"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, asked = self.server, self.headers.get("Range")
        server.seen.append(asked)
        time.sleep(server.delay_s)
        if self.path == "/missing":
            self.send_error(404)
            return
        body, status = server.content, 200
        if asked and server.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])  # type: ignore[index]
            if start >= len(body):
                self.send_error(416)
                return
            status = 206
            body = body[start:]
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.cuts:
            server.cuts -= 1
            body = body[: server.cut_after]
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No local copies: as on a machine where HADAPTIVE_DATA is not set."""
    monkeypatch.delenv("HADAPTIVE_DATA", raising=False)


@pytest.fixture(scope="session")
def digits_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("digits")
    prepare("digits", root)
    return root


@pytest.fixture
def real_data() -> Path:
    if not os.environ.get("HADAPTIVE_DATA"):
        pytest.skip("HADAPTIVE_DATA names no folder with real data")
    return Path(os.environ["HADAPTIVE_DATA"])
