"""GPU latency of a model in PyTorch at batch 1: eager, and replayed as one CUDA graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from hadaptive.measure.bench_kernels.clock import NO_GPU, GpuClock, attempt
from hadaptive.measure.inference import inference_form
from hadaptive.measure.statistics import repeated


def eager_and_graph(
    clock: GpuClock, model: nn.Module, image: torch.Tensor, *, runs: int, warmup: int
) -> dict[str, dict[str, Any]]:
    """Measure `model(image)` in milliseconds, on a device that is idle before each run: `eager`, and as a CUDA `graph`.

    Eager execution at batch 1 times Python's launches more than the device. Each part has `status` "done", the keys of
    `repeated`, runs and warmup, or only a `status` with the reason.
    """

    @torch.inference_mode()
    def timed(captured: bool) -> dict[str, Any]:
        call = clock.captured(lambda: model(image)).replay if captured else lambda: model(image)
        for _ in range(warmup):
            call()
        times_ms = [clock.idle_us(call) / 1e3 for _ in range(runs)]
        return {"status": "done", **repeated(times_ms), "runs": runs, "warmup": warmup}

    return {"eager": attempt(timed, False), "graph": attempt(timed, True)}


def gpu_latency(model: nn.Module, *, image_size: int, runs: int = 500, warmup: int = 50) -> dict[str, Any]:
    """Measure one image on the current CUDA device in milliseconds: float32 inference form, NCHW, TF32 as set.

    Returns the `graph` of `eager_and_graph`, beside it `eager`, device, cuda, cudnn, tf32. Without a CUDA device, or
    when a part fails, only a `status` with the reason.
    """
    if not torch.cuda.is_available():
        return NO_GPU
    clock = GpuClock()
    generator = torch.Generator(clock.device).manual_seed(0)
    image = torch.randn(1, 3, image_size, image_size, device=clock.device, generator=generator)
    parts = eager_and_graph(clock, inference_form(model, clock.device), image, runs=runs, warmup=warmup)
    for part in parts.values():
        if part["status"] != "done":
            return part
    return {
        **parts["graph"],
        "method": "CUDA graph",
        "eager": parts["eager"],
        "device": torch.cuda.get_device_name(clock.device),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        "tf32": torch.backends.cudnn.allow_tf32,
    }
