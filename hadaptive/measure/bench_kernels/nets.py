"""Hadaptive-Net with each implementation of its ACH: latency of one image, and a training step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from hadaptive.measure.bench_kernels.clock import Case, Clock, GpuClock, attempt, side_by_side
from hadaptive.measure.bench_kernels.expansion import LAYOUTS
from hadaptive.measure.gpu_latency import eager_and_graph
from hadaptive.measure.inference import inference_form
from hadaptive.nn.zoo import create_model

IMPLEMENTATIONS = ("native", "direct_indexing", "parity_balanced", "fused")


def build(
    net: str, implementation: str, *, num_classes: int = 100, options: Mapping[str, Any] | None = None
) -> nn.Module:
    """Return a model with random weights from seed 0, the same for each implementation."""
    torch.manual_seed(0)
    return create_model(net, num_classes, **(options or {}), implementation=implementation)


def deployed(
    model: nn.Module, device: torch.device, image_size: int, layout: str = "nchw"
) -> tuple[nn.Module, torch.Tensor]:
    """Return the model's inference form in float32, and one image."""
    image = torch.randn(1, 3, image_size, image_size, generator=torch.Generator().manual_seed(0))
    image = image.to(device).contiguous(memory_format=LAYOUTS[layout])
    return inference_form(model, device).to(memory_format=LAYOUTS[layout]), image


def measured(clock: GpuClock, model: nn.Module, image: torch.Tensor, *, runs: int, warmup: int) -> dict[str, Any]:
    """Measure latency as `eager_and_graph` does, with the number of `launches` of a forward pass."""
    parts = eager_and_graph(clock, model, image, runs=runs, warmup=warmup)
    launches = attempt(torch.inference_mode()(clock.launches), lambda: model(image))
    return {"status": parts["eager"]["status"], **parts, "launches": launches}


def gpu_latencies(
    clock: GpuClock, nets: Sequence[str], image_size: int, *, runs: int, warmup: int
) -> Iterator[dict[str, Any]]:
    """Yield a row per model, layout and way: each implementation eager and as a graph, then native, fused compiled."""

    def latency(net: str, implementation: str, compiled: bool, layout: str) -> dict[str, Any]:
        model, image = deployed(build(net, implementation), clock.device, image_size, layout)
        if compiled:
            model.compile(dynamic=False)
        return measured(clock, model, image, runs=runs, warmup=warmup)

    ways = [(implementation, False) for implementation in IMPLEMENTATIONS] + [("fused", True), ("native", True)]
    for layout in LAYOUTS:
        for net in nets:
            for implementation, compiled in ways:
                torch.compiler.reset()
                way = {"net": net, "layout": layout, "implementation": implementation, "compiled": compiled}
                yield {**way, **attempt(latency, net, implementation, compiled, layout)}


def cpu_latencies(
    clock: Clock, nets: Sequence[str], image_size: int, ways: Mapping[str, tuple[str, bool]], rounds: int
) -> Iterator[dict[str, Any]]:
    """Yield a row per model: one image by PyTorch. `ways`: name -> (implementation, whether the model is compiled)."""
    for net in nets:
        torch.compiler.reset()
        cases = {}
        for name, (implementation, compiled) in ways.items():
            model, image = deployed(build(net, implementation), clock.device, image_size)
            if compiled:
                model.compile(dynamic=False)
            cases[name] = Case(torch.inference_mode()(partial(model, image)))
        yield {"net": net, "image_size": image_size, "batch": 1, "ways": side_by_side(cases, clock.time_us, rounds)}


def training_steps(
    clock: Clock, nets: Sequence[str], image_size: int, batch: int, ways: Mapping[str, tuple[str, bool]], rounds: int
) -> Iterator[dict[str, Any]]:
    """Yield a row per model: a step of AdamW, channels_last, bf16 autocast on a GPU. `ways` as above."""
    device = clock.device
    images = torch.randn(batch, 3, image_size, image_size, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 100, (batch,), device=device)
    for net in nets:
        torch.compiler.reset()
        cases = {name: Case(_step(net, *way, images, labels)) for name, way in ways.items()}
        results = side_by_side(cases, clock.time_us, rounds)
        for name, result in results.items():
            if result["status"] == "done":
                result["images_per_s"] = batch / result["median_us"] * 1e6
                if isinstance(clock, GpuClock):
                    result["peak_bytes"] = attempt(clock.peak_bytes, cases[name].call)
        yield {"net": net, "image_size": image_size, "batch": batch, "ways": results}


def _step(net: str, implementation: str, compiled: bool, images: torch.Tensor, labels: torch.Tensor) -> Any:
    device = images.device
    model = build(net, implementation).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.train()
    if compiled:
        model.compile(dynamic=False)
    optimizer = torch.optim.AdamW(model.parameters(), foreach=True)
    autocast = device.type == "cuda"

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16) if autocast else contextlib.nullcontext():
            loss = F.cross_entropy(model(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step
