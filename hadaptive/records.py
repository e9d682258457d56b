"""Writing and reading results: atomic files, checksums, and what machine and versions made them. Imports no torch."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from hadaptive.errors import UserError
from hadaptive.instructions import instruction_sets

SCHEMA = 1
PACKAGES = (
    "torch", "torchvision", "timm", "triton", "numpy", "onnx", "onnxruntime", "scikit-learn", "captum", "pycocotools",
)  # fmt: skip
RECORD = "record.json"
PUBLISHED = "hub"  # folder of a trained model as the Hugging Face Hub takes it, with its file names
PUBLISHED_FILES = ("model.safetensors", "config.json", "README.md")
COMMIT = "commit.json"  # beside packed code, which is no checkout


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and vanishes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if error.errno is not None:
            error.filename = error.filename or str(path)  # a full disk does not say where
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys sorted. NaN and infinity are not JSON: ValueError."""
    write_text(path, json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n")


def seal(record: Mapping[str, Any]) -> str:
    """SHA-256, in hexadecimal, of what a record says: of its JSON without white space, keys sorted, less the seal.

    It shows an edit by hand, not a forgery: whoever edits can seal again.
    """
    values = json.loads(json.dumps({key: value for key, value in record.items() if key != "sha256"}, allow_nan=False))
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_json(path: Path) -> Any:
    """Read JSON; a damaged file is a UserError that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); delete it and run the same command again") from None


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def processor() -> str:
    """Return the processor's name as the system tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(*words: str) -> str | None:
    root = Path(__file__).resolve().parent
    try:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def environment() -> dict[str, Any]:
    """Machine, versions and commit, for a record. `git_commit` is null outside a checkout and outside a pack of one.

    `instruction_sets` is there where torch is loaded, so not in a record of a latency under ONNX Runtime alone.
    """
    packages = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    sets = instruction_sets()
    return {
        "processor": processor(),
        **({"instruction_sets": sets} if sets else {}),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": sys.version.split()[0],
        "packages": packages,
        **commit(),
    }


def commit() -> dict[str, Any]:
    """Return the commit of this code, and whether files differ from it; packed code has it in a file."""
    packed = Path(__file__).resolve().parent.parent / COMMIT
    if packed.exists():
        return dict(read_json(packed))
    status = _git("status", "--porcelain", "--untracked-files=no")
    return {"git_commit": _git("rev-parse", "HEAD"), "git_dirty": None if status is None else bool(status)}
