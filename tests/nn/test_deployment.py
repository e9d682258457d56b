"""ACH under torch.compile, DistributedDataParallel, copying and export."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from hadaptive.nn import AdaptiveCrossHadamard, create_model


def small_net(**options: str) -> nn.Sequential:
    return nn.Sequential(AdaptiveCrossHadamard(8, 4, tau_step=0.2, **options), nn.Flatten(), nn.Linear(14 * 9, 2))


def train(model: nn.Module, net: nn.Sequential, steps: int = 3) -> list[float]:
    """Losses of a few steps of `model`, which is `net` or wraps it, on data from a fixed seed."""
    torch.manual_seed(5)
    losses = []
    for step in range(steps):
        x = torch.randn(4, 8, 3, 3) / (step + 1)
        loss = model(x).square().sum()
        net.zero_grad()
        loss.backward()
        with torch.no_grad():
            for p in net.parameters():
                p -= 1e-3 * p.grad
        losses.append(loss.item())
    return losses


def test_compiled_equals_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")  # a stale cache would test yesterday's code
    eager = small_net(selection="topk")
    compiled = copy.deepcopy(eager)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own
        losses = train(torch.compile(compiled, fullgraph=True), compiled)
    np.testing.assert_allclose(losses, train(eager, eager), rtol=1e-4)
    for a, b in zip(compiled.state_dict().values(), eager.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert eager[0].temperature.tau < 4.0


def test_traces_as_one_graph_with_noise_and_autocast() -> None:
    net = small_net().to(memory_format=torch.channels_last)
    with warnings.catch_warnings(), torch.autocast("cpu", torch.bfloat16):
        warnings.simplefilter("ignore")
        model = torch.compile(net, fullgraph=True, backend="aot_eager")
        assert all(np.isfinite(train(model, net)))
    assert net[0].temperature.history > 0


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_train_alike_and_apart(duplicate: type) -> None:
    net = small_net()
    train(net, net)
    other = duplicate(net)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    losses = train(other, other)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert losses == train(net, net)
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), other.state_dict().values(), strict=True))


def test_state_dict_resumes_to_the_same_bits() -> None:
    net = small_net()
    train(net, net)
    other = small_net()
    other.load_state_dict(net.state_dict())
    assert train(other, other) == train(net, net)
    assert torch.equal(other[0].temperature.tau, net[0].temperature.tau)


def test_two_ddp_ranks_share_weights_and_temperature(tmp_path: Path) -> None:
    worker = Path(__file__).with_name("ddp_worker.py")
    outputs = [tmp_path / f"rank{rank}.pt" for rank in range(2)]
    ranks = [
        subprocess.Popen(
            [sys.executable, worker, str(rank), tmp_path / "rendezvous", output],
            env=os.environ | {"GLOO_SOCKET_IFNAME": "lo"},
        )
        for rank, output in enumerate(outputs)
    ]
    assert [rank.wait() for rank in ranks] == [0, 0]
    first, second = (torch.load(output) for output in outputs)
    assert first["taus"] == second["taus"]
    assert len(set(first["taus"])) > 2
    assert all(torch.equal(value, second["parameters"][name]) for name, value in first["parameters"].items())


def test_exports_to_onnx_with_a_dynamic_batch(tmp_path: Path) -> None:
    model = create_model("hadaptive_net_s").eval()
    x = torch.randn(2, 3, 64, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        program = torch.export.export(model, (x,), dynamic_shapes={"x_BCHW": {0: torch.export.Dim("batch", min=1)}})
        torch.onnx.export(program, f=tmp_path / "s.onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "s.onnx")
    for batch in (1, 5):
        x = torch.randn(batch, 3, 64, 64)
        with torch.no_grad():
            expected = model(x)
        (actual,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        np.testing.assert_allclose(actual, expected.numpy(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(program.module()(x), expected)
