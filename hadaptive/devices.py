"""Which device a job uses. Snakemake's `resources: gpu=1` counts GPUs and assigns none; a lock a GPU does. No torch."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def gpus() -> tuple[str, ...]:
    """Indices of this machine's CUDA devices; HADAPTIVE_GPUS ("0,1", or "" for none) overrides what the driver says."""
    named = os.environ.get("HADAPTIVE_GPUS")
    if named is not None:
        return tuple(part for part in named.split(",") if part)
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    count = sum(line.startswith("GPU ") for line in listed.splitlines())
    return tuple(str(index) for index in range(count))


@contextlib.contextmanager
def claimed() -> Iterator[str]:
    """Hold one GPU for this process and yield the torch device to use: "cuda", or "cpu" on a machine without one.

    Call it before torch first looks at CUDA. A choice made already (CUDA_VISIBLE_DEVICES, as Slurm does) is respected.
    """
    if not gpus():
        yield "cpu"
        return
    if os.environ.get("CUDA_VISIBLE_DEVICES"):
        yield "cuda"
        return
    folder = Path(tempfile.gettempdir(), f"hadaptive-gpu-{os.getuid()}")
    folder.mkdir(exist_ok=True)
    while True:
        for index in gpus():
            with (folder / f"{index}.lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue
                os.environ["CUDA_VISIBLE_DEVICES"] = index
                yield "cuda"  # the kernel gives the lock back when the process ends, however it ends
                return
        time.sleep(0.2)
