"""Latency of an ONNX file by ONNX Runtime: on the CPU, in a process that holds little else (numpy and onnxruntime,
never torch), and by its CUDA provider, where it is installed.

`python -m hadaptive.measure.latency model.onnx '{"image_size": 224}'` prints the result of `cpu_latency` as JSON.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from hadaptive.measure.statistics import repeated
from hadaptive.records import processor

SPINNING = True  # ONNX Runtime's default: threads of its pool wait in a loop. Without effect at one thread.
PINNABLE = hasattr(os, "sched_setaffinity")  # Linux
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
NO_CUDA_PROVIDER = "ONNX Runtime's CUDA provider not installed (package onnxruntime-gpu)"
_ERRORS_ONLY = 3


def busyness() -> dict[str, Any]:
    """Tell how busy the machine is: load average of the last minute, tasks running besides this one (None: unknown)."""
    try:
        load, _, _, running, _ = Path("/proc/loadavg").read_text().split()
    except (OSError, ValueError):
        load1 = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        return {"load_average": load1, "other_running_tasks": None}
    return {"load_average": float(load), "other_running_tasks": max(0, int(running.partition("/")[0]) - 1)}


def session(onnx_path: Path | str, threads: int, provider: str = CPU) -> onnxruntime.InferenceSession:
    """ONNX Runtime on the file with all graph optimisations, one inter-op thread and so many intra-op threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(SPINNING)))
    options.log_severity_level = _ERRORS_ONLY
    return onnxruntime.InferenceSession(str(onnx_path), options, providers=[provider])


def cores(threads: int) -> list[int]:
    """Return the cores to measure on: the last that this process may use, as the first serve most interrupts.

    Fewer than `threads` where there are no more.
    """
    allowed = sorted(os.sched_getaffinity(0)) if PINNABLE else list(range(os.cpu_count() or 1))
    return allowed[-threads:]


@contextlib.contextmanager
def undisturbed(cores: list[int]) -> Iterator[None]:
    """Keeps to these cores, without garbage collection. Sessions made inside have their threads there."""
    before, collecting = os.sched_getaffinity(0) if PINNABLE else set(), gc.isenabled()
    if PINNABLE:
        os.sched_setaffinity(0, cores)
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
        if PINNABLE:
            os.sched_setaffinity(0, sorted(before))


def image(image_size: int) -> NDArray[np.float32]:
    """Return one image [1, 3, size, size] of standard normal numbers from seed 0."""
    return np.random.default_rng(0).standard_normal((1, 3, image_size, image_size), dtype=np.float32)


def timed_ns(session: onnxruntime.InferenceSession, feed: dict[str, Any]) -> int:
    """Return nanoseconds of one run."""
    start = perf_counter_ns()
    session.run(None, feed)
    return perf_counter_ns() - start


def cpu_latency(
    onnx_path: Path | str, *, image_size: int, runs: int = 500, warmup: int = 50, threads: int = 1
) -> dict[str, Any]:
    """Measure one image on the CPU in milliseconds, each of `runs` runs timed on its own after `warmup` runs.

    ONNX Runtime with all graph optimisations, `threads` intra-op threads pinned to as many cores (see `cores`), one
    inter-op thread, standard normal input from seed 0.

    Returns `status` "done", the keys of `repeated`, runs, warmup, threads, spinning, cores, processor, runtime, and how
    busy the machine was before. With fewer cores than threads only a `status` that says so.
    Raises ValueError for runs, warmup or threads below 1, 0, 1, and ONNX Runtime's own error for a file it cannot run.
    """
    if runs < 1 or warmup < 0 or threads < 1:
        raise ValueError(f"runs={runs}, warmup={warmup}, threads={threads}: need runs >= 1, warmup >= 0, threads >= 1")
    before, used = busyness(), cores(threads)
    if threads > len(used):
        return {"status": f"{threads} threads asked for, {len(used)} cores available"}
    with undisturbed(used):
        times = _times(session(onnx_path, threads), image_size, runs, warmup)
    return {
        "status": "done",
        **times,
        "threads": threads,
        "spinning": SPINNING,
        "cores": used if PINNABLE else None,
        "processor": processor(),
        "runtime": f"onnxruntime {onnxruntime.__version__}, {CPU}",
        "before": before,
    }


def cuda_latency(
    onnx_path: Path | str, *, image_size: int, runs: int = 500, warmup: int = 50, device: str = ""
) -> dict[str, Any]:
    """Measure one image by ONNX Runtime's CUDA provider in milliseconds, as the paper measures on a GPU.

    A run copies the image to the device and the result back. Returns `status` "done", the keys of `repeated`, runs,
    warmup, runtime, and the name of the `device` as it is given. Where the provider is not installed, or ONNX Runtime
    turns to the CPU since it cannot be loaded, only a `status` that says so.
    """
    if CUDA not in onnxruntime.get_available_providers():
        return {"status": NO_CUDA_PROVIDER}
    measured = session(onnx_path, 1, CUDA)
    if CUDA not in measured.get_providers():
        return {"status": "ONNX Runtime's CUDA provider cannot be loaded; it needs the CUDA and cuDNN it was built for"}
    times = _times(measured, image_size, runs, warmup)
    return {"status": "done", **times, "device": device, "runtime": f"onnxruntime {onnxruntime.__version__}, {CUDA}"}


def _times(measured: onnxruntime.InferenceSession, image_size: int, runs: int, warmup: int) -> dict[str, Any]:
    feed = {measured.get_inputs()[0].name: image(image_size)}
    for _ in range(warmup):
        measured.run(None, feed)
    times_ns = np.array([timed_ns(measured, feed) for _ in range(runs)])
    return {**repeated(times_ns / 1e6), "runs": runs, "warmup": warmup}


if __name__ == "__main__":
    print(json.dumps(cpu_latency(sys.argv[1], **json.loads(sys.argv[2]))))
