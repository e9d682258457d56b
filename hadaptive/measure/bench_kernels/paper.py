"""The paper's two measurements of its kernels: Hadaptive-Net-L with each implementation (Table 4), and Direct-Indexing
against Parity-Balanced over sizes (Figure 7, appendix A.5)."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import Any

import numpy as np
import torch

from hadaptive.measure.bench_kernels.clock import NO_GPU, GpuClock, attempt
from hadaptive.measure.bench_kernels.nets import IMPLEMENTATIONS, build, deployed, measured
from hadaptive.record import envelope
from hadaptive.run import NamedMeasure
from kernels import ops  # noqa: F401  registers hadaptive::cross

SCHEMES = ("direct_indexing", "parity_balanced")
LATE = {"status": "time was up"}
CALLS = 10  # in one CUDA graph


def record(measure: NamedMeasure, *, gpu: bool, limit_s: float = math.inf) -> dict[str, Any]:
    """Return the record of a kernel measurement; without a GPU its status says so and there are no metrics."""
    metrics: dict[str, Any] = {}
    if gpu:
        clock = GpuClock()
        metrics = {"table4": table4, "figure7": figure7}[measure.name](clock, measure.settings, limit_s)
        metrics["device"] = torch.cuda.get_device_name(clock.device)
    return envelope(measure, metrics, status="done" if gpu else NO_GPU["status"])


def table4(clock: GpuClock, settings: dict[str, Any], limit_s: float = math.inf) -> dict[str, Any]:
    """Measure one image with each implementation, all in one process: float32, NCHW, eager and as a CUDA graph.

    An implementation that has not begun when `limit_s` is over says so.
    """
    end = time.monotonic() + limit_s

    def latency(implementation: str) -> dict[str, Any]:
        if time.monotonic() > end:
            return LATE
        given = {"num_classes": settings["num_classes"], "options": settings["options"]}
        model, image = deployed(build(settings["model"], implementation, **given), clock.device, settings["image_size"])
        return measured(clock, model, image, runs=settings["runs"], warmup=settings["warmup"])

    return {name: attempt(latency, name) for name in IMPLEMENTATIONS}


def figure7(clock: GpuClock, settings: dict[str, Any], limit_s: float = math.inf) -> dict[str, Any]:
    """Runtimes of the paper's own operator, selection and products, by both schemes: all channels given are multiplied.

    `a`: batches against sizes at `fixed_channels`; `b`: channels against sizes at `fixed_batch`. Float32, NCHW, square
    maps. A cell has the microseconds of one call within a CUDA graph, without launches, by scheme; or why not. When
    `limit_s` is over the cells that are left say so: they are spread, because sizes are taken from coarse to fine.
    """
    end = time.monotonic() + limit_s
    sizes, channels, batch = settings["sizes"], settings["fixed_channels"], settings["fixed_batch"]
    cells: dict[str, list[dict[str, Any]]] = {"a": [], "b": []}
    for _, size in sorted(enumerate(sizes), key=lambda entry: -(entry[0] & -entry[0] or len(sizes))):
        inputs = [("a", {"batch": n, "size": size}, (n, channels, size)) for n in settings["batches"]]
        inputs += [("b", {"channels": n, "size": size}, (batch, n, size)) for n in settings["channels"]]
        for panel, place, shape in inputs:
            late = time.monotonic() > end
            fields = LATE if late else attempt(cell, clock, *shape, settings["runs"])
            cells[panel].append({**place, **fields})
    return {panel: sorted(swept, key=lambda cell: tuple(cell.values())[:2]) for panel, swept in cells.items()}


def cell(clock: GpuClock, batch: int, channels: int, size: int, runs: int) -> dict[str, Any]:
    """Return median and interquartile range (microseconds) of each scheme on [batch, channels, size, size]."""
    x_BCHW = torch.randn(batch, channels, size, size, device=clock.device)
    idx_BK = torch.arange(channels, device=clock.device).repeat(batch, 1)
    graphs = {
        scheme: clock.captured(partial(torch.ops.hadaptive.cross, x_BCHW, idx_BK, scheme), CALLS) for scheme in SCHEMES
    }
    times: dict[str, list[float]] = {scheme: [] for scheme in SCHEMES}
    for _ in range(runs):
        for scheme, graph in graphs.items():
            times[scheme].append(clock.idle_us(graph.replay) / CALLS)
    fields: dict[str, Any] = {"status": "done"}
    for scheme, times_us in times.items():
        q1, median, q3 = (float(q) for q in np.quantile(times_us, (0.25, 0.5, 0.75)))
        fields |= {f"{scheme}_us": median, f"{scheme}_iqr_us": q3 - q1}
    return fields
