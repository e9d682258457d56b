"""What only a GPU can show: CUDA graphs, no synchronisation, tensors over 2^31 elements, a second device."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

import kernels
from kernels import reference

if not torch.cuda.is_available():
    pytest.skip("no CUDA device", allow_module_level=True)

IMPLEMENTATIONS = ["fused", "direct_indexing", "parity_balanced"]


def test_auto_is_fused_in_eager_and_compiled_mode(cases: SimpleNamespace) -> None:
    q = cases.make((2, 8, 7, 7, 4), device="cuda")
    expand = torch.compile(kernels.expand, fullgraph=True)
    for run in (kernels.expand, expand):
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            run(q.x, q.idx, alpha=q.alpha)
            torch.cuda.synchronize()
        assert any("_fold_nchw" in event.name for event in profile.events())


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_forward_and_backward_can_be_captured_in_a_cuda_graph(
    cases: SimpleNamespace, implementation: str, layout: str
) -> None:
    q = cases.make((4, 96, 14, 14, 16), layout=layout, device="cuda")
    x = q.x.requires_grad_()

    def step() -> tuple[torch.Tensor, torch.Tensor]:
        eca = torch.ones(5, device="cuda") / 5
        _, idx = kernels.topk_scores(x, eca, 16)
        y = kernels.expand(x, idx, alpha=q.alpha, weight_P=q.weight, implementation=implementation)
        return y, torch.autograd.grad(y, x, q.dy)[0]

    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    with torch.no_grad():
        x.copy_(torch.randn_like(x))
    graph.replay()
    for got, want in zip(captured, step(), strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_nothing_waits_for_the_gpu(cases: SimpleNamespace, implementation: str) -> None:
    q = cases.make((4, 96, 14, 14, 16), device="cuda")
    x, eca = q.x.requires_grad_(), torch.ones(5, device="cuda")
    for mode in ("default", "error"):
        torch.cuda.set_sync_debug_mode(mode)
        try:
            _, idx = kernels.topk_scores(x, eca, 16)
            y = kernels.expand(x, idx, q.gate, alpha=q.alpha, weight_P=q.weight, implementation=implementation)
            y.backward(q.dy)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_outputs_over_2_to_the_31_elements(cases: SimpleNamespace, layout: str) -> None:
    C, k, H = 96, 16, 112
    samples = 2**31 // ((C + 120) * H * H) + 2
    if torch.cuda.mem_get_info()[0] < 8 * samples * (C + 120) * H * H:
        pytest.skip("less than 18 GB of GPU memory free")
    x = cases.lay_out(torch.randn(1, C, H, H, device="cuda", dtype=torch.float16), layout)
    x = cases.lay_out(x.expand(samples, C, H, H), layout).requires_grad_()
    idx = torch.arange(k, device="cuda").expand(samples, k)
    y = kernels.expand(x, idx, activation=None, implementation="fused")
    assert torch.equal(y[-1], y[0])
    want = reference.expand(x[:1].double(), idx[:1], None, None, None, *torch.ones(2, 120, device="cuda").double())
    torch.testing.assert_close(
        y[-1:].double() + torch.cat([x.new_zeros(C), x.new_ones(120)])[:, None, None], want, rtol=2e-3, atol=2e-3
    )
    dx = torch.autograd.grad(y, x, y.detach())[0]
    assert torch.equal(dx[-1], dx[0])


def test_runs_on_the_device_of_its_input(cases: SimpleNamespace) -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("one CUDA device")
    cases.check(cases.make((2, 8, 3, 3, 4), device="cuda:1"), torch.ops.hadaptive.expand)
