"""The whole bench: which phases, in which order, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hadaptive.measure.bench_kernels.clock import NO_GPU, CpuClock, GpuClock, copy_gb_per_s
from hadaptive.measure.bench_kernels.expansion import NETS, PASSES, Shape, ach_shapes, measured, problems
from hadaptive.measure.bench_kernels.nets import IMPLEMENTATIONS, cpu_latencies, gpu_latencies, training_steps
from hadaptive.measure.bench_kernels.report import Report
from hadaptive.records import SCHEMA, environment, processor

GPU_WAYS = {"native": ("native", False), "compiled": ("native", True)} | {
    name: (name, False) for name in IMPLEMENTATIONS if name != "native"
}
CPU_WAYS = {"native": ("native", False), "auto": ("auto", False), "compiled": ("auto", True)}
GPU_PHASES = (*PASSES, "batch1", "elements", "latency", "training_nets")
CPU_PHASES = ("forward", "training", "latency", "training_nets")


Ways = Mapping[str, tuple[str, bool]]
Rows = Callable[[], Iterable[dict[str, Any]]]


@dataclass(frozen=True)
class Sizes:
    """How much is measured; a test measures less."""

    batch: int
    copy_bytes: int
    nets: tuple[str, ...] = NETS
    image_size: int = 224
    rounds: int = 15


def bench_kernels(path: Path, *, threads: int, budget_s: float = 540, gpu: bool | None = None) -> dict[str, Any]:
    """Measure all phases, saving to `path` as they go, and return the record.

    With a GPU its phases come first and the CPU's have what is left of `budget_s`; without one every GPU entry says so.
    """
    torch.set_num_threads(threads)
    gpu = torch.cuda.is_available() if gpu is None else gpu
    record: dict[str, Any] = {"schema": SCHEMA, "id": "bench/kernels", "kind": "bench", "status": "running"}
    record |= {"device": {}, "settings": {"threads": threads, "budget_s": budget_s}, "environment": environment()}
    record["gpu"] = {name: dict(NO_GPU) for name in GPU_PHASES}
    report = Report(path, record, budget_s)
    if gpu:
        gpu_phases(report, GpuClock(), Sizes(batch=256, copy_bytes=2**30))
    cpu_phases(report, CpuClock(), Sizes(batch=64, copy_bytes=2**27))
    record["status"] = "done"
    report.save()
    return record


def gpu_phases(report: Report, clock: GpuClock, sizes: Sizes, ways: Ways = GPU_WAYS) -> None:
    """What a GPU is asked, the most telling first; each phase has a share of the budget."""
    shapes = ach_shapes(sizes.nets, sizes.image_size)
    copy = copy_gb_per_s(clock, sizes.copy_bytes)
    report.record["device"] |= _gpu(clock) | {"gpu_copy_gb_per_s": copy}
    eager = {name: way for name, way in ways.items() if not way[1]}

    def expansion(what: str, batches: list[int], dtypes: list[str], ways: Ways, shapes: list[Shape]) -> Rows:
        return lambda: measured(clock, problems(shapes, what, batches, dtypes), ways, copy, sizes.rounds)

    batch, dtypes = [sizes.batch], ["bf16", "fp32"]
    report.phase("gpu", "forward", 0.18, expansion("forward", batch, [*dtypes, "fp16"], ways, shapes))
    report.phase("gpu", "training", 0.24, expansion("training", batch, dtypes, ways, shapes))
    report.phase(
        "gpu", "latency", 0.24, lambda: gpu_latencies(clock, sizes.nets, sizes.image_size, runs=100, warmup=20)
    )
    report.phase("gpu", "backward", 0.08, expansion("backward", batch, dtypes, eager, shapes))
    report.phase("gpu", "batch1", 0.04, expansion("forward", [1], dtypes, eager, shapes))
    largest = max(shapes, key=lambda shape: shape.size**2 * (shape.channels + shape.pairs))
    growing = [4**n for n in range(1, 8) if 4**n <= 4 * sizes.batch]
    report.phase("gpu", "elements", 0.06, expansion("forward", growing, dtypes, eager, [largest]))
    report.phase(
        "gpu",
        "training_nets",
        0.15,
        lambda: training_steps(clock, sizes.nets, sizes.image_size, sizes.batch, eager, sizes.rounds),
    )


def cpu_phases(report: Report, clock: CpuClock, sizes: Sizes, ways: Ways = CPU_WAYS) -> None:
    """What a CPU is asked, in float32. Compiling takes most of the time."""
    shapes = ach_shapes(sizes.nets, sizes.image_size)
    copy = copy_gb_per_s(clock, sizes.copy_bytes)
    report.record["device"] |= {"cpu": processor(), "cpu_copy_gb_per_s": copy}
    eager = {name: way for name, way in ways.items() if not way[1]}

    def expansion(what: str) -> Rows:
        return lambda: measured(clock, problems(shapes, what, [sizes.batch], ["fp32"]), ways, copy, sizes.rounds)

    report.phase("cpu", "latency", 0.1, lambda: cpu_latencies(clock, sizes.nets, sizes.image_size, eager, sizes.rounds))
    report.phase("cpu", "training", 0.4, expansion("training"))
    report.phase("cpu", "forward", 0.3, expansion("forward"))
    report.phase(
        "cpu",
        "training_nets",
        0.2,
        lambda: training_steps(clock, sizes.nets, min(64, sizes.image_size), sizes.batch, eager, sizes.rounds),
    )


def _gpu(clock: GpuClock) -> dict[str, Any]:
    has = torch.cuda.get_device_properties(clock.device)
    return {
        "gpu": has.name,
        "gpu_multiprocessors": has.multi_processor_count,
        "gpu_memory_bytes": has.total_memory,
        "cuda": torch.version.cuda,
    }
