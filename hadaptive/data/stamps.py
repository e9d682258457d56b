"""Checksums of large files, each with the size, time and inode that the file had when it was hashed. No torch."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from hadaptive.records import sha256, write_json

NAME = "verified.json"


class Stamps:
    """The checksums of a folder's files. Where the file that holds them is damaged or missing, all are hashed again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.changed = folder, False
        self.of = ""
        self.known: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            values = json.loads((folder / NAME).read_text(encoding="utf-8"))
            self.of, self.known = str(values["of"]), dict(values["files"])

    def sha256(self, name: str) -> str | None:
        """Return a file's SHA-256, hashed only where the file is not as it was; None where it cannot be read."""
        try:
            now = _state(self.folder / name)
            known = self.known.get(name)
            if not isinstance(known, dict) or known.get("state") != now:
                self.known[name], self.changed = {"sha256": sha256(self.folder / name), "state": now}, True
        except OSError:
            return None
        return str(self.known[name].get("sha256"))

    def save(self) -> None:
        """Write what was hashed since the last time; a folder that cannot be written is hashed again next time."""
        if self.changed:
            with contextlib.suppress(OSError):
                write_json(self.folder / NAME, {"of": self.of, "files": self.known})
            self.changed = False


def _state(path: Path) -> list[int]:
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns, status.st_ino]
