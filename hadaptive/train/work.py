"""Where a Run is worked on: a folder named by what its result depends on, held by one process at a time.

Snakemake deletes the declared outputs of a broken job, so what a training resumes from lies outside them. A finished
Run stays here under its key: a job that was triggered for nothing costs a link, not a training. Safe to delete.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hadaptive.records import SCHEMA, atomic, read_json, sha256
from hadaptive.run import Run
from hadaptive.train import ranks

RESULTS = ("last.pt", "best.pt", "record.json")


def once(run: Run, data: Path, out: Path, work: Path, code: str, train: Callable[[Path], None]) -> dict[str, Any]:
    """Have `train(folder)` leave the results of `run` in its work folder and put them into `out`; returns the record.

    A Run that already finished with the same settings, data and code is not trained again.
    """
    key = run.key(sha256(data / "manifest.json"), code)
    # of several processes the first holds the folder, and the others wait for its word
    with workshop(work, key) if ranks.first() else contextlib.nullcontext(Bench(work / key)) as bench:
        if not ranks.from_first(bench.finished):
            train(bench.folder)
        elif ranks.first():
            print(f"{run.id}: finished before with the same settings, data and code; taking its result", flush=True)
        ranks.from_first(lambda: place(bench.folder, out))
    record: dict[str, Any] = read_json(out / "record.json")
    return record


@dataclass(frozen=True)
class Bench:
    """One Run's work folder."""

    folder: Path

    def finished(self) -> bool:
        """Whether a whole result lies here, its checkpoints as the record says."""
        record = self.folder / "record.json"
        if not record.exists():
            return False
        written = read_json(record)
        if written.get("schema") != SCHEMA:
            print(f"{record} was written by another version (schema {written.get('schema')}, not {SCHEMA})", flush=True)
            return False
        kept = written["checkpoints"]
        return all(
            (self.folder / f"{name}.pt").exists() and sha256(self.folder / f"{name}.pt") == entry["sha256"]
            for name, entry in kept.items()
        )


@contextlib.contextmanager
def workshop(root: Path, key: str) -> Iterator[Bench]:
    """Hold `root/key` for this process. A second trainer of the same Run waits here, then takes the first one's result.

    (Killing Snakemake leaves its trainers running; the next start meets them here.)
    """
    folder = root / key
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print(f"another process is training this Run in {folder}; waiting for its result", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield Bench(folder)


def place(folder: Path, out: Path) -> None:
    """Put a finished Run's results into `out`, the record last; drop the state that only resuming needs."""
    for name in RESULTS:
        with atomic(out / name) as temporary:
            try:
                temporary.unlink()
                os.link(folder / name, temporary)
            except OSError:  # another file system, or one without links
                shutil.copyfile(folder / name, temporary)
    for state in folder.glob("state*.pt"):
        state.unlink()
