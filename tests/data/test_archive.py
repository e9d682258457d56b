"""Downloads from a server on this machine that misbehaves in every way we know."""

from __future__ import annotations

import gzip
import hashlib
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hadaptive.data.archive import download, verify_archive
from hadaptive.data.errors import DataError

PLAIN = np.random.default_rng(0).bytes(50_000)
CONTENT = gzip.compress(PLAIN, mtime=0)
MD5 = hashlib.md5(CONTENT).hexdigest()
HALF = len(CONTENT) // 2


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "archive.tar.gz"


@pytest.fixture
def part(target: Path) -> Path:
    target.parent.mkdir()
    return target.with_name("archive.tar.gz.part")


def fetch(server: Any, target: Path) -> None:
    download([server.url], MD5, target, timeout_s=60)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def refused(server: Any, target: Path, timeout_s: float = 60) -> str:
    with pytest.raises(DataError) as error:
        download([server.url], MD5, target, timeout_s=timeout_s)
    assert not target.exists()
    assert server.url in str(error.value)
    return str(error.value)


def test_a_whole_file(server: Any, target: Path) -> None:
    server.content = CONTENT
    fetch(server, target)
    assert server.seen == [None]


def test_a_partial_file_is_continued(server: Any, target: Path, part: Path) -> None:
    server.content = CONTENT
    part.write_bytes(CONTENT[:HALF])
    fetch(server, target)
    assert server.seen == [f"bytes={HALF}-"]


def test_a_server_that_ignores_range(server: Any, target: Path, part: Path) -> None:
    server.content, server.ranges = CONTENT, False
    part.write_bytes(CONTENT[:HALF])
    fetch(server, target)
    assert server.seen == [f"bytes={HALF}-"]


def test_a_complete_partial_file(server: Any, target: Path, part: Path) -> None:
    server.content = CONTENT
    part.write_bytes(CONTENT)
    fetch(server, target)


@pytest.mark.parametrize("size", [HALF, len(CONTENT) + 7])
def test_a_wrong_partial_file_is_started_over(server: Any, target: Path, part: Path, size: int) -> None:
    server.content = CONTENT
    part.write_bytes(b"x" * size)
    fetch(server, target)
    assert server.seen == [f"bytes={size}-", None]


def test_started_over_once_only(server: Any, target: Path, part: Path) -> None:
    server.content = altered = CONTENT[:-9] + bytes([CONTENT[-9] ^ 1]) + CONTENT[-8:]
    part.write_bytes(CONTENT[:HALF])
    message = refused(server, target)
    assert server.seen == [f"bytes={HALF}-", None]
    assert f"is altered: md5 {hashlib.md5(altered).hexdigest()}, expected {MD5}, {len(CONTENT)} bytes" in message
    assert not part.exists()


def test_a_broken_connection_is_continued(server: Any, target: Path) -> None:
    server.content, server.cut_after, server.cuts = CONTENT, 20_000, 2
    fetch(server, target)
    assert server.seen == [None, "bytes=20000-", "bytes=40000-"]


def test_a_server_that_always_breaks_off_leaves_the_part(server: Any, target: Path, part: Path) -> None:
    server.content, server.cut_after, server.cuts, server.ranges = CONTENT, 20_000, 99, False
    assert "broke off after 20000 bytes" in refused(server, target)
    assert part.read_bytes() == CONTENT[:20_000]
    server.cuts, server.ranges = 0, True
    fetch(server, target)


def test_truncated_on_the_server(server: Any, target: Path) -> None:
    server.content = CONTENT[:HALF]
    assert f"is truncated: md5 {hashlib.md5(CONTENT[:HALF]).hexdigest()}, expected {MD5}" in refused(server, target)


def test_another_archive_or_a_web_page(server: Any, target: Path) -> None:
    server.content = gzip.compress(b"something else")
    assert "is another or altered archive" in refused(server, target)
    server.content = b"<html>Please log in</html>"
    assert "is no gzip archive" in refused(server, target)


def test_no_network(target: Path) -> None:
    with socket.socket() as closed:  # bound and never listening
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/x"
        with pytest.raises(DataError, match=f"{url} cannot be reached"):
            download([url], MD5, target, timeout_s=60)


def test_a_silent_server(server: Any, target: Path) -> None:
    server.delay_s = 60
    assert "did not answer within 0.1 s" in refused(server, target, timeout_s=0.1)


def test_mirrors_in_turn(server: Any, target: Path) -> None:
    server.content = CONTENT
    missing = server.url.replace("archive.tar.gz", "missing")
    with pytest.raises(DataError, match=r"missing answered 404 .*; .*missing answered 404"):
        download([missing, missing], MD5, target, timeout_s=60)
    download([missing, server.url], MD5, target, timeout_s=60)
    assert target.read_bytes() == CONTENT


def test_nowhere_to_write(server: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot write .*\.part: .*; free space or set data\.downloads"):
        download([server.url], MD5, tmp_path / "file" / "archive.tar.gz", timeout_s=60)


def test_a_local_archive(tmp_path: Path) -> None:
    path = tmp_path / "local.tar.gz"
    path.write_bytes(CONTENT)
    verify_archive(path, MD5, "do that")
    path.write_bytes(CONTENT[:HALF])
    with pytest.raises(DataError, match=rf"local\.tar\.gz is truncated: md5 \w+, expected {MD5}, {HALF} bytes; do"):
        verify_archive(path, MD5, "do that")
