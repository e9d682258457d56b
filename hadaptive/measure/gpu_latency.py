"""GPU latency of a model in PyTorch at batch 1: replayed as one CUDA graph, and eager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from hadaptive.measure.inference import inference_form
from hadaptive.measure.statistics import summary


def _times_ms(call: Callable[[], Any], runs: int, warmup: int) -> list[float]:
    """Milliseconds between two device events around each call. The device is idle before it, so launches count."""
    for _ in range(warmup):
        call()
    times = []
    for _ in range(runs):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
        start.record()
        call()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return times


def gpu_latency(model: nn.Module, *, image_size: int, runs: int = 500, warmup: int = 50) -> dict[str, Any]:
    """Latency of one image on the current CUDA device in milliseconds: float32 inference form, NCHW, TF32 as set.

    Returns `status` "done", the keys of `summary` for a replayed CUDA graph, those of eager execution under `eager` (at
    batch 1 that times Python's launches more than the device), runs, warmup, device, cuda, cudnn, tf32.
    Without a CUDA device, or when it runs out of memory, only a `status` with the reason.
    """
    if not torch.cuda.is_available():
        return {"status": "no CUDA device"}
    device = torch.device("cuda", torch.cuda.current_device())
    try:
        with torch.inference_mode():
            inference = inference_form(model, device)
            generator = torch.Generator(device).manual_seed(0)
            image = torch.randn(1, 3, image_size, image_size, device=device, generator=generator)
            eager = summary(_times_ms(lambda: inference(image), runs, warmup))
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # capture wants what it records to have run on a stream of its own before
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):
                    inference(image)
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                inference(image)
            replayed = summary(_times_ms(graph.replay, runs, warmup))
    except torch.cuda.OutOfMemoryError:
        return {"status": "out of memory"}
    return {
        "status": "done",
        **replayed,
        "method": "CUDA graph",
        "eager": eager,
        "runs": runs,
        "warmup": warmup,
        "device": torch.cuda.get_device_name(device),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        "tf32": torch.backends.cudnn.allow_tf32,
    }
