"""The time of each kind of operator in a training step, and its roofline."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import nn

from hadaptive import cli
from hadaptive.measure import bench_operators
from hadaptive.measure.bench_operators import Call, Spent, _Timed


def test_operations_and_bytes_of_convolutions_are_those_of_their_definition() -> None:
    """A grouped convolution of 8 channels in groups of 4, 3x3, 6x6 to 4x4 pixels, 2 images: 2 * 4 * 9 each output."""
    layer = nn.Conv2d(8, 8, 3, groups=2, bias=False)
    x = torch.randn(2, 8, 6, 6, requires_grad=True)
    with _Timed() as timed:
        layer(x).sum().backward()
    calls = {call.kind: call for call in timed.calls}
    forward = 2 * (2 * 8 * 4 * 4) * (4 * 9)
    sizes = 4 * (x.numel() + layer.weight.numel() + 2 * 8 * 4 * 4)
    assert calls["3x3 convolution"].flops == forward and calls["3x3 convolution"].size == sizes
    assert calls["3x3 convolution, backward"].flops == 2 * forward
    x.requires_grad_(False)
    with _Timed() as timed:
        layer(x).sum().backward()
    assert {call.kind: call for call in timed.calls}["3x3 convolution, backward"].flops == forward, (
        "of the weights alone"
    )


def test_the_roofline_is_the_slower_of_arithmetic_and_memory() -> None:
    calls = [Call("a", 1.0, flops=100.0, size=10), Call("b", 3.0, flops=10.0, size=400)]
    assert Spent.on(calls, flops_per_s=100.0, bytes_per_s=200.0) == Spent(4.0, 1.1, 2.05, 1.0 + 2.0)


def test_it_says_what_takes_the_time(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_operators, "LARGE_BYTES", 1 << 20)
    words = ["bench", "operators", "--models", "mobilenetv3_small_100", "--image-size", "32", "--batch-size", "4"]
    assert cli.main([*words, "--threads", "1"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    shares = [each["share"] for each in found["operators"]]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1, abs=0.05)
    kinds = {each["operator"]: each for each in found["operators"]}
    assert kinds["pointwise convolution"]["calls"] == 41 and "depthwise convolution, backward" in kinds
    assert found["of_roofline"] > 0 and found["gflops_per_s"] > 0 and found["gbytes_per_s"] > 0
