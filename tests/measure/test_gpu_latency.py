from __future__ import annotations

import pytest
import torch
from torch import nn

from hadaptive.measure.gpu_latency import gpu_latency


def test_without_a_device_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_latency(nn.Conv2d(3, 2, 1), image_size=8) == {"status": "no CUDA device"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_times_a_graph_and_eager() -> None:
    from hadaptive.nn.zoo import create_model

    got = gpu_latency(create_model("hadaptive_net_s", 10), image_size=64, runs=20, warmup=5)
    assert got["status"] == "done"
    assert 0 < got["median_ms"] < got["eager"]["median_ms"]
