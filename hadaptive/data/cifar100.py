"""CIFAR-100 (Krizhevsky 2009) from the official binary archive. Imports no torch.

A record is one byte of coarse label, one of fine label, and 3,072 of pixels: 32x32 red, then green, then blue.
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hadaptive.data import archive
from hadaptive.data.errors import DataError
from hadaptive.data.prepared import Arrays, write_arrays
from hadaptive.data.settings import ENVIRONMENT_VARIABLE, DataSettings

URL = "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"
ARCHIVE, ARCHIVE_MD5 = "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"
FOLDER = "cifar-100-binary"
NAMES = "fine_label_names.txt"
MEMBER_MD5 = {"train.bin": "6172c7755cfe09b2fe270c85cebc1b15", "test.bin": "4499cfba6c016c1be1438163640a0898"}
EXAMPLES = {"train.bin": 50_000, "test.bin": 10_000}
CLASSES, COARSE_CLASSES, IMAGE_SHAPE = 100, 20, (3, 32, 32)
RECORD = 2 + 3 * 32 * 32

Reader = Callable[[str], bytes]


def prepare(name: str, destination: Path, settings: DataSettings) -> dict[str, Any]:
    """Write CIFAR-100 to `destination`; returns the manifest. Raises what `load` raises."""
    return write_arrays(name, destination, load(settings))


def load(
    settings: DataSettings,
    *,
    urls: tuple[str, ...] = (URL,),
    archive_md5: str = ARCHIVE_MD5,
    member_md5: Mapping[str, str] = MEMBER_MD5,
    examples: Mapping[str, int] = EXAMPLES,
) -> Arrays:
    """CIFAR-100 as uint8 (N, 3, 32, 32) with fine labels, every byte verified.

    Looked for, in this order: the unpacked folder and the archive in the data root, the archive in
    `settings.downloads`, the mirrors in the settings, the official address. A damaged local copy is an error and never
    passed over in silence. Raises DataError.
    """
    root = settings.local_root()
    if root is not None and (root / FOLDER).is_dir():
        return _parse(_from_folder(root / FOLDER), member_md5, examples, str(root / FOLDER))
    path = root / ARCHIVE if root is not None and (root / ARCHIVE).is_file() else settings.downloads / ARCHIVE
    otherwise = (
        f"Set {ENVIRONMENT_VARIABLE} to a folder holding {FOLDER}/ or {ARCHIVE}, put {ARCHIVE} at {path}, or name a "
        "mirror in data.mirrors.cifar100"
    )
    addresses = [*settings.mirrors.get("cifar100", []), *urls]
    archive.obtain("CIFAR-100", addresses, archive_md5, path, settings.timeout_s, otherwise)
    archive.verify_archive(path, archive_md5, "put the official one in its place, or delete it to have it downloaded")
    try:
        with tarfile.open(path) as tar:  # members are read, none is unpacked: an archive cannot write anywhere
            return _parse(_from_archive(tar), member_md5, examples, str(path))
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path} is no readable archive ({error}); replace it by the official one, or delete it to have it "
            "downloaded"
        ) from None


def _from_folder(folder: Path) -> Reader:
    return lambda name: (folder / name).read_bytes()


def _from_archive(tar: tarfile.TarFile) -> Reader:
    def read(name: str) -> bytes:
        try:
            member = tar.extractfile(f"{FOLDER}/{name}")
        except KeyError:
            member = None
        if member is None:
            raise FileNotFoundError(name)
        return member.read()

    return read


def _parse(read: Reader, md5: Mapping[str, str], examples: Mapping[str, int], where: str) -> Arrays:
    remedy = f"replace {where} by the official one, or delete it to have it downloaded"
    parts = {}
    for name in ("train.bin", "test.bin"):
        try:
            raw = read(name)
        except OSError as error:
            reason = error.strerror or "no such file"
            raise DataError(f"{where} lacks a readable {name} ({reason}); {remedy}") from error
        expected = examples[name] * RECORD
        if len(raw) != expected:
            kind = "truncated" if len(raw) < expected else "too long"
            raise DataError(f"{name} in {where} is {kind}: {len(raw)} bytes, expected {expected}; {remedy}")
        actual = hashlib.md5(raw, usedforsecurity=False).hexdigest()
        if actual != md5[name]:
            raise DataError(f"{name} in {where} is altered: md5 {actual}, expected {md5[name]}; {remedy}")
        parts[name] = parse_records(raw, f"{name} in {where}")
    try:
        classes = read(NAMES).decode().split()
    except UnicodeDecodeError:
        raise DataError(f"{NAMES} in {where} is not UTF-8; {remedy}") from None
    except OSError:
        classes = [str(index) for index in range(CLASSES)]
    if len(classes) != CLASSES:
        raise DataError(f"{NAMES} in {where} names {len(classes)} classes, expected {CLASSES}; {remedy}")
    (train_images, train_labels), (test_images, test_labels) = parts["train.bin"], parts["test.bin"]
    return Arrays(train_images, train_labels, test_images, test_labels, classes, source=URL)


def parse_records(raw: bytes, where: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images uint8 (N, 3, 32, 32) and fine labels int64 (N,) of binary records.

    Raises DataError, naming `where`, for a size that is no whole number of records or a label out of range.
    """
    if not raw or len(raw) % RECORD:
        raise DataError(f"{where} is cut short or no CIFAR-100: {len(raw)} bytes are not a multiple of {RECORD}")
    records = np.frombuffer(raw, np.uint8).reshape(-1, RECORD)
    for column, (name, count) in enumerate((("coarse", COARSE_CLASSES), ("fine", CLASSES))):
        if (wrong := np.flatnonzero(records[:, column] >= count)).size:
            value = records[wrong[0], column]
            raise DataError(f"{where} is no CIFAR-100: record {wrong[0]} has {name} label {value}, not below {count}")
    return records[:, 2:].reshape(-1, *IMAGE_SHAPE), records[:, 1].astype(np.int64)
