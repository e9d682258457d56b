"""Calls captured as a CUDA graph, which replays their kernels without Python between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def captured(call: Callable[[], Any], times: int = 1) -> torch.cuda.CUDAGraph:
    """Capture `times` calls in a row as one CUDA graph. Raises RuntimeError where that fails."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # capture wants a run on a stream of its own before
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):  # allocations, an optimiser's state, choice of algorithms: not part of the graph
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(times):
            call()
    return graph
