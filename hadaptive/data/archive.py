"""Obtain a file over HTTP, verified: mirrors, progress bar, resume of a partial file, one start-over, atomic rename.

No well-kept package does resume and checksum both (pooch starts over; resumable-urlretrieve is no longer maintained).
Imports no torch.
"""

from __future__ import annotations

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from hadaptive.data.errors import DataError

CHUNK = 1 << 20


def md5_of(path: Path) -> str:
    """Return the md5 of a file, as data sets publish it: against damage, not against an attacker."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _differs(path: Path, expected: str) -> str | None:
    """Return how a file's md5 or sha256, by its length, differs from `expected`; None if it does not."""
    if len(expected) == 32:
        name, actual = "md5", md5_of(path)
    else:
        with path.open("rb") as file:
            name, actual = "sha256", hashlib.file_digest(file, "sha256").hexdigest()
    return None if actual == expected else f"{name} {actual}, expected {expected}, {path.stat().st_size} bytes"


def verify_archive(path: Path, expected: str, remedy: str) -> None:
    """Check an archive's md5 or sha256. Raises DataError that says whether it was cut short, altered, or is none."""
    if (difference := _differs(path, expected)) is not None:
        raise DataError(f"{path} {_damage(path)}: {difference}; {remedy}")


def obtain(title: str, urls: Sequence[str], expected: str, target: Path, timeout_s: float, otherwise: str) -> None:
    """Download `target` unless it is there already. DataError says what failed, then what to do `otherwise`."""
    if not target.is_file():
        try:
            download(urls, expected, target, timeout_s=timeout_s)
        except DataError as error:
            raise DataError(f"{title} could not be obtained: {error}. {otherwise}") from error


def download(urls: Sequence[str], expected: str, target: Path, *, timeout_s: float) -> None:
    """Download a file to `target` from the first of `urls` that gives it whole and unaltered.

    `expected` is its md5 or its sha256.

    Bytes arrive in `<target>.part`, which outlives an interruption and is continued by HTTP Range, from any of the
    addresses. Where a continued file has the wrong checksum, the same address is tried once more from the start.
    Raises DataError with each address's failure.
    """
    part = target.with_name(target.name + ".part")
    failures = []
    for url in urls:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            resumed = part.exists() and part.stat().st_size > 0
            failure = _receive(url, part, timeout_s)
            if failure is None and resumed and _differs(part, expected):
                part.unlink()
                failure = _receive(url, part, timeout_s)
            if failure is None:
                if (difference := _differs(part, expected)) is None:
                    part.replace(target)
                    return
                failure = f"sent what {_damage(part)}: {difference}"
                part.unlink()
        except OSError as error:
            reason = error.strerror or error
            raise DataError(f"cannot write {part}: {reason}; free space or set data.downloads") from error
        failures.append(f"{url} {failure}")
    raise DataError("; ".join(failures))


def _receive(url: str, part: Path, timeout_s: float) -> str | None:
    """Append to `part` until complete, again while each attempt brings it further. Returns what went wrong, or None."""
    size = part.stat().st_size if part.exists() else 0
    while (failure := _receive_once(url, part, timeout_s)) is not None:
        reached = part.stat().st_size if part.exists() else 0
        if reached <= size:
            return failure
        size = reached
    return None


def _receive_once(url: str, part: Path, timeout_s: float) -> str | None:
    import requests
    import urllib3
    from tqdm import tqdm

    offset = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=timeout_s) as response:
            if offset and response.status_code == 416:  # nothing is left to send; the checksum decides
                return None
            if not response.ok:
                return f"answered {response.status_code} {response.reason}"
            if not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
                offset = 0  # the server ignored Range and sends the whole file
            length = response.headers.get("Content-Length", "0")
            if not length.isascii() or not length.isdigit():
                return f"answered with the length {length!r}, which is no number"
            total = offset + int(length) or None
            with (
                part.open("ab" if offset else "wb") as file,
                tqdm(total=total, initial=offset, unit="B", unit_scale=True, desc=part.stem, disable=None) as bar,
            ):
                for chunk in response.raw.stream(CHUNK, decode_content=False):
                    file.write(chunk)
                    bar.update(len(chunk))
    except requests.Timeout:
        return f"did not answer within {timeout_s:g} s"
    except requests.ConnectionError:
        return "cannot be reached (no network?)"
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        received = part.stat().st_size if part.exists() else 0
        return f"broke off after {received} bytes ({type(error).__name__})"
    return None


def _damage(path: Path) -> str:
    """Return what is wrong with an archive (zip or gzip) whose checksum differs."""
    if (suffix := path.name.removesuffix(".part").rpartition(".")[2]) not in ("gz", "tgz", "zip"):
        return "is altered"
    if suffix == "zip":
        return "is altered" if zipfile.is_zipfile(path) else "is truncated or no zip archive"
    try:
        with gzip.open(path) as file:
            while file.read(CHUNK):
                pass
    except EOFError:
        return "is truncated"
    except gzip.BadGzipFile as error:
        return "is altered" if "CRC" in str(error) or "length" in str(error) else "is no gzip archive"
    except (OSError, zlib.error):
        return "is altered"
    return "is another or altered archive"
