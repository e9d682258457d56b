"""The work folder of a Run: named by what its result depends on, held by one process at a time.

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
from typing import TypeVar

import torch

from hadaptive import devices
from hadaptive.data import prepared
from hadaptive.record import SEALED, Damaged, TrainingRecord, find, read
from hadaptive.records import atomic, sha256
from hadaptive.run import Run
from hadaptive.train import ranks
from hadaptive.train.loop import History, Trained
from hadaptive.train.memory import keep_freed_memory
from hadaptive.train.record import Job, Result, write

RESULTS = ("last.pt", "best.pt", "record.json")
R = TypeVar("R", bound=Run)


def once(
    train: Callable[[R, Job], Result],
    run: R,
    data: Path,
    out: Path,
    work: Path,
    *,
    device: str,
    threads: int,
    code: str,
    skip: str | None = None,
) -> TrainingRecord:
    """Train `run` on the prepared data in folder `data`; leave record.json, last.pt and best.pt in `out`.

    `train` is the trainer of the Run's task (see `hadaptive.tasks`). State to resume from lies under `work`. Divergence
    and lack of memory end as a record that says so. A Run that already finished with the same settings, data and code
    is not trained again. `skip` says why a Run cannot be trained, where what it depends on has failed: that is its
    record's status. Returns the record. Raises UserError for what the user can mend: damaged data or checkpoint, a
    model that cannot be built.
    """
    key = run.key(sha256(data / "manifest.json"), code, *([skip] if skip else []))
    # of several processes rank 0 holds the folder, and the others wait for its word
    with hold(work, key) if ranks.is_main_process() else contextlib.nullcontext(WorkFolder(work / key)) as folder:
        if not ranks.broadcast(folder.finished):
            torch.set_num_threads(threads)
            if torch.device(device).type == "cpu":
                keep_freed_memory()
            job = Job(data, folder.path, torch.device(device), threads)
            result = Result(Trained(History(status=skip), {}, {}, 0), {}, {}) if skip else train(run, job)
            write(run, result, job, out=out, code=code)
        elif ranks.is_main_process():
            prepared.verify(data, image_size=run.image_size)
            print(f"{run.id}: finished before with the same settings, data and code; taking its result", flush=True)
        ranks.broadcast(lambda: place(folder.path, out))
    record = read(out / "record.json")
    assert isinstance(record, TrainingRecord)
    return record


@dataclass(frozen=True)
class WorkFolder:
    """One Run's work folder."""

    path: Path

    def finished(self) -> bool:
        """Tell whether a whole result lies here: an unmodified record, and the checkpoints whose checksums it has."""
        path = self.path / "record.json"
        record = find(path)
        if isinstance(record, Damaged):
            print(f"{record.reason}: {path}: {record.what}; training again", flush=True)
        elif isinstance(record, TrainingRecord) and record.seal != SEALED:
            print(f"{path}: {record.seal}, so its result is not taken; training again", flush=True)
        elif isinstance(record, TrainingRecord):
            files = {self.path / f"{name}.pt": kept.sha256 for name, kept in record.checkpoints.items()}
            return all(file.exists() and sha256(file) == checksum for file, checksum in files.items())
        return False


@contextlib.contextmanager
def hold(root: Path, key: str) -> Iterator[WorkFolder]:
    """Hold `root/key` for this process. A second trainer of the same Run waits here, then takes the first one's result.

    (Killing Snakemake leaves its trainers running; the next start meets them here.)
    """
    folder = root / key
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        lock = devices.open_lock(folder / "lock")
        held.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print(f"another process is training this Run in {folder}; waiting for its result", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        clear(folder)
        yield WorkFolder(folder)


def clear(folder: Path) -> None:
    """Remove the half-written files of killed writers. Only the process that holds the folder may call this."""
    for name in (*RESULTS, "state.pt"):
        for left in folder.glob(f".{name}.????????"):  # as `records.atomic` names them
            left.unlink(missing_ok=True)


def place(folder: Path, out: Path) -> None:
    """Put a finished Run's results into `out`, the record last; drop the state that only resuming needs."""
    clear(out)
    for name in RESULTS:
        with atomic(out / name) as temporary:
            try:
                temporary.unlink()
                os.link(folder / name, temporary)
            except OSError:  # another file system, or one without links
                shutil.copyfile(folder / name, temporary)
    for state in folder.glob("state*.pt"):
        state.unlink()
