"""The device that a job uses. Snakemake's `resources: gpu=1` counts GPUs; a lock per GPU assigns them. No torch."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from hadaptive.errors import UserError


@cache
def gpus() -> tuple[str, ...]:
    """List the indices of this machine's CUDA devices; HADAPTIVE_GPUS ("0,1", or "" for none) overrides the driver.

    An index that is there several times ("0,0,0") is a GPU that so many Runs share.
    """
    named = os.environ.get("HADAPTIVE_GPUS")
    if named is not None:
        return tuple(part for part in named.split(",") if part)
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    count = sum(line.startswith("GPU ") for line in listed.splitlines())
    return tuple(str(index) for index in range(count))


def threads() -> int:
    """Processor threads of a training: on CPUs two trainings of one thread beat one of two; a GPU is fed by several."""
    return 8 if gpus() else 1


@contextlib.contextmanager
def claimed(count: int = 1, *, inherit: bool = False) -> Iterator[str]:
    """Hold `count` GPUs for this process and yield the torch device to use: "cuda", or "cpu" on a machine without one.

    Call it before torch first looks at CUDA. A choice made already (CUDA_VISIBLE_DEVICES, as Slurm does) is respected;
    of its GPUs each process that torchrun starts takes its own. With `inherit` a program that takes this one's place
    (exec) holds them on. UserError where there are fewer.
    """
    if (chosen := os.environ.get("CUDA_VISIBLE_DEVICES")) and gpus():
        devices, local = chosen.split(","), os.environ.get("LOCAL_RANK")
        if len(devices) < max(count, int(local or 0) + 1):
            raise UserError(f"{count} GPUs are asked for and CUDA_VISIBLE_DEVICES={chosen} names fewer")
        if local is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = devices[int(local)]
        yield "cuda"
        return
    if count > 1 and len(set(gpus())) < count:
        raise UserError(f"{count} GPUs are asked for and this machine has {len(set(gpus()))}")
    if not gpus():
        yield "cpu"
        return
    folder = _lock_folder()
    while True:
        with contextlib.ExitStack() as held:  # all or none: two that each hold half would wait for ever
            indices: list[str] = []
            for place, index in enumerate(gpus()):
                if index in indices or len(indices) == count:
                    continue
                lock = open_lock(folder / f"{place}.lock")
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    os.close(lock)
                    continue
                os.set_inheritable(lock, inherit)
                held.callback(os.close, lock)
                indices.append(index)
            if len(indices) == count:
                os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(indices)
                yield "cuda"  # the kernel gives the locks back when the process ends, however it ends
                return
        time.sleep(0.2)


def _lock_folder() -> Path:
    """This user's folder of GPU locks. UserError where somebody else made it: $TMPDIR is open to all users."""
    folder = Path(tempfile.gettempdir(), f"hadaptive-gpu-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise UserError(
            f"{folder} is not a folder of yours, so GPU locks in it cannot be trusted; remove it, or "
            "set TMPDIR to another folder"
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        folder.chmod(0o700)
    return folder


def open_lock(path: Path) -> int:
    """Open, or create, a file to lock, and leave its content alone; returns the descriptor, which no program inherits.

    UserError where a link or anything but a file stands in its place: what it leads to is not ours.
    """
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise UserError(f"{path} is a link or no file, so it cannot be locked; remove it") from None
        raise
    if not stat.S_ISREG(os.fstat(lock).st_mode):
        os.close(lock)
        raise UserError(f"{path} is a link or no file, so it cannot be locked; remove it")
    return lock
