"""CPU latency of an ONNX file by ONNX Runtime, in a process that holds little else: numpy and onnxruntime, never torch.

`python -m hadaptive.measure.latency model.onnx '{"image_size": 224}'` prints the result of `cpu_latency` as JSON.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
import onnxruntime

from hadaptive.measure.statistics import summary
from hadaptive.records import processor

SPINNING = True  # ONNX Runtime's default: threads of its pool wait in a loop. Without effect at one thread.
_ERRORS_ONLY = 3


def busyness() -> dict[str, Any]:
    """How busy the machine is: load average of the last minute, tasks running besides this one (None: unknown)."""
    try:
        load, _, _, running, _ = Path("/proc/loadavg").read_text().split()
    except (OSError, ValueError):
        load1 = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        return {"load_average": load1, "other_running_tasks": None}
    return {"load_average": float(load), "other_running_tasks": max(0, int(running.partition("/")[0]) - 1)}


def _session(onnx_path: Path | str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(SPINNING)))
    options.log_severity_level = _ERRORS_ONLY
    return onnxruntime.InferenceSession(str(onnx_path), options, providers=["CPUExecutionProvider"])


def cpu_latency(
    onnx_path: Path | str, *, image_size: int, runs: int = 500, warmup: int = 50, threads: int = 1
) -> dict[str, Any]:
    """Latency of one image on the CPU in milliseconds, each of `runs` runs timed on its own after `warmup` runs.

    ONNX Runtime with all graph optimisations, `threads` intra-op threads on as many cores, pinned (the last that
    this process may use: the first serve most interrupts), one inter-op thread, standard normal input from seed 0.

    Returns `status` "done", the keys of `summary`, runs, warmup, threads, spinning, cores, processor, runtime, and how
    busy the machine was before. With fewer cores than threads only a `status` that says so.
    Raises ValueError for runs, warmup or threads below 1, 0, 1, and ONNX Runtime's own error for a file it cannot run.
    """
    if runs < 1 or warmup < 0 or threads < 1:
        raise ValueError(f"runs={runs}, warmup={warmup}, threads={threads}: need runs >= 1, warmup >= 0, threads >= 1")
    before = busyness()
    pinnable = hasattr(os, "sched_setaffinity")  # Linux
    allowed = sorted(os.sched_getaffinity(0)) if pinnable else list(range(os.cpu_count() or 1))
    if threads > len(allowed):
        return {"status": f"{threads} threads asked for, {len(allowed)} cores available"}
    cores = allowed[-threads:] if pinnable else None
    if cores is not None:
        os.sched_setaffinity(0, cores)  # before the session, whose threads inherit it
    collecting = gc.isenabled()
    try:
        session = _session(onnx_path, threads)
        image = np.random.default_rng(0).standard_normal((1, 3, image_size, image_size), dtype=np.float32)
        feed = {session.get_inputs()[0].name: image}
        for _ in range(warmup):
            session.run(None, feed)
        gc.disable()
        times_ns = np.empty(runs, dtype=np.int64)
        for run in range(runs):
            start = perf_counter_ns()
            session.run(None, feed)
            times_ns[run] = perf_counter_ns() - start
    finally:
        if collecting:
            gc.enable()
        if pinnable:
            os.sched_setaffinity(0, allowed)
    return {
        "status": "done",
        **summary(times_ns / 1e6),
        "runs": runs,
        "warmup": warmup,
        "threads": threads,
        "spinning": SPINNING,
        "cores": cores,
        "processor": processor(),
        "runtime": f"onnxruntime {onnxruntime.__version__}, CPUExecutionProvider",
        "before": before,
    }


if __name__ == "__main__":
    print(json.dumps(cpu_latency(sys.argv[1], **json.loads(sys.argv[2]))))
