from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from hadaptive.measure import gpu_latency as module
from hadaptive.measure.gpu_latency import gpu_latency
from tests.measure.test_bench_kernels import Pretend


def test_without_a_device_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_latency(nn.Conv2d(3, 2, 1), image_size=8) == {"status": "no CUDA device"}


class Short(Pretend):
    """A device whose memory is too small for a graph."""

    def captured(self, call: Callable[[], Any], times: int = 1) -> Any:
        raise torch.cuda.OutOfMemoryError


def test_the_graph_counts_and_eager_stands_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A GPU")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 92300)
    monkeypatch.setattr(module, "GpuClock", Pretend)
    timed = gpu_latency(nn.Conv2d(3, 2, 1), image_size=8, runs=3, warmup=0)
    assert (timed["status"], timed["method"], timed["device"], timed["runs"]) == ("done", "CUDA graph", "A GPU", 3)
    assert timed["median_ms"] > 0 and timed["eager"]["median_ms"] > 0
    monkeypatch.setattr(module, "GpuClock", Short)
    assert gpu_latency(nn.Conv2d(3, 2, 1), image_size=8, runs=3, warmup=0) == {"status": "out of memory"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_times_a_graph_and_eager() -> None:
    from hadaptive.nn.zoo import create_model

    got = gpu_latency(create_model("hadaptive_net_s", 10), image_size=64, runs=20, warmup=5)
    assert got["status"] == "done"
    assert 0 < got["median_ms"] < got["eager"]["median_ms"]
