"""The operator on the CPU: values and gradients against float64, layouts, registration, and the choice of path."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import kernels
from kernels import cpu, dispatch, reference

EXPAND = torch.ops.hadaptive.expand


def test_matches_float64_for_every_shape_and_layout(
    cases: SimpleNamespace, shape: tuple[int, ...], layout: str
) -> None:
    cases.check(cases.make(shape, layout=layout), EXPAND)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("gated", [True, False])
def test_matches_float64_for_every_dtype_and_curve(
    cases: SimpleNamespace, dtype: torch.dtype, gated: bool, activation: str | None
) -> None:
    cases.check(cases.make((3, 20, 3, 5, 9), dtype, "nhwc", gated=gated, activation=activation), EXPAND)


@pytest.mark.parametrize("chunk", [1, 100, 10**9])
def test_the_chunk_size_changes_nothing(cases: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    problem = cases.make((5, 12, 3, 4, 6), torch.float64, "nhwc")
    want = problem.run(EXPAND)
    monkeypatch.setattr(cpu, "CHUNK", chunk)
    torch.testing.assert_close(problem.run(EXPAND), want)


def test_output_keeps_the_memory_layout(cases: SimpleNamespace, layout: str) -> None:
    x = cases.make((2, 6, 3, 4, 4), layout=layout).x
    idx, alpha = torch.tensor([[0, 3, 5, 1]] * 2), torch.ones(1)
    x.requires_grad_()
    kept = torch.channels_last if "nhwc" in layout else torch.contiguous_format
    for implementation in ("auto", "fused", "native"):
        y = kernels.expand(x, idx, alpha=alpha, implementation=implementation)
        (dx,) = torch.autograd.grad(y, x, torch.randn_like(y))
        assert y.is_contiguous(memory_format=kept)
        assert dx.is_contiguous(memory_format=kept)
        assert torch.equal(y[:, :6], x)


def test_tokens_are_read_and_written_in_place(cases: SimpleNamespace) -> None:
    """[B, N, C], as transformers have them, is channels_last with one column."""
    tokens = torch.randn(2, 5, 6, dtype=torch.float64)
    idx, alpha = torch.tensor([[0, 3, 5, 1]] * 2), torch.ones(1, dtype=torch.float64)
    y = kernels.expand(tokens.mT[..., None], idx, alpha=alpha)
    assert y[..., 0].mT.is_contiguous()
    torch.testing.assert_close(y, kernels.expand(tokens.mT[..., None].contiguous(), idx, alpha=alpha))


def test_only_the_output_is_kept_for_the_backward_pass(cases: SimpleNamespace) -> None:
    q = cases.make((2, 9, 4, 4, 8))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        y = kernels.expand(q.x.requires_grad_(), q.idx, q.gate, alpha=q.alpha, weight_P=q.weight, bias_P=q.bias)
    large = [t for t in kept if t.numel() >= q.x.numel()]
    assert [t.data_ptr() for t in large] == [y.data_ptr()]


def test_weight_one_and_bias_zero_are_the_default(cases: SimpleNamespace) -> None:
    q = cases.make((2, 6, 3, 4, 4))
    want = reference.expand(q.x, q.idx, q.gate, None, None, torch.ones(6), torch.zeros(6))
    torch.testing.assert_close(kernels.expand(q.x, q.idx, q.gate, activation=None), want)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_gradcheck(cases: SimpleNamespace, layout: str, activation: str | None) -> None:
    q = cases.make((2, 5, 2, 1, 4), torch.float64, layout, activation=activation)

    def run(x: Tensor, gate: Tensor, alpha: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return EXPAND(x, q.idx, gate, activation, alpha, weight, bias)

    leaves = [t.requires_grad_() for t in (q.x, q.gate, q.alpha, q.weight, q.bias)]
    if activation is None:
        q.alpha.requires_grad_(False)
    assert torch.autograd.gradcheck(run, leaves)


def test_gradcheck_of_the_papers_product_and_of_the_scores() -> None:
    x = torch.randn(2, 5, 2, 3, dtype=torch.float64, requires_grad=True)
    idx = torch.tensor([[4, 0, 2], [1, 3, 0]])
    assert torch.autograd.gradcheck(lambda x: torch.ops.hadaptive.cross(x, idx, "direct_indexing"), [x])
    eca = torch.randn(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: torch.ops.hadaptive.topk_scores(x, w, 2, None)[0], [x, eca])


@pytest.mark.parametrize("taps", [1, 3, 5])
def test_topk_operator_is_the_reference(cases: SimpleNamespace, taps: int, layout: str) -> None:
    x = cases.make((3, 9, 2, 5, 4), torch.float64, layout).x.requires_grad_()
    eca = torch.randn(1, 1, taps, dtype=torch.float64, requires_grad=True)
    noise = torch.randn(3, 9, dtype=torch.float64)
    results = []
    for implementation in ("native", "fused"):
        scores, idx = kernels.topk_scores(x, eca, 4, noise, implementation=implementation)
        results.append([scores, idx, *torch.autograd.grad((scores * noise).sum(), (x, eca))])
    torch.testing.assert_close(results[1], results[0])


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # of opcheck itself
def test_opcheck(cases: SimpleNamespace) -> None:
    q = cases.make((2, 6, 3, 2, 4))
    x = q.x.requires_grad_()
    y = EXPAND(x, q.idx, q.gate, "softsign", q.alpha, q.weight, q.bias).detach()
    nhwc = cases.lay_out(q.x.detach(), "nhwc").requires_grad_()
    torch.library.opcheck(EXPAND, (x, q.idx, q.gate, "softsign", q.alpha, q.weight, q.bias))
    torch.library.opcheck(EXPAND, (nhwc, q.idx, None, None, None, q.weight, q.bias))
    torch.library.opcheck(torch.ops.hadaptive.expand_backward, (q.dy, y, q.idx, q.gate, "softsign", q.alpha, q.weight))
    torch.library.opcheck(torch.ops.hadaptive.cross, (x, q.idx, "parity_balanced"))
    torch.library.opcheck(torch.ops.hadaptive.topk_scores, (x, torch.randn(3, requires_grad=True), 4, None))


def test_operations_are_counted(cases: SimpleNamespace) -> None:
    q = cases.make((2, 6, 3, 2, 4))
    x = q.x.requires_grad_()
    with FlopCounterMode(display=False) as forward:
        y = EXPAND(x, q.idx, q.gate, "softsign", q.alpha, q.weight, q.bias)
    with FlopCounterMode(display=False) as backward:
        y.sum().backward()
    assert forward.get_total_flops() == 2 * 6 * 3 * 2  # eq. 14: B P H W
    assert backward.get_total_flops() == 4 * forward.get_total_flops()
    with FlopCounterMode(display=False) as cross:
        torch.ops.hadaptive.cross(q.x, q.idx, "direct_indexing")
    assert cross.get_total_flops() == forward.get_total_flops()
    totals = []
    for implementation in ("native", "fused"):
        with FlopCounterMode(display=False) as topk:
            kernels.topk_scores(q.x.detach(), torch.randn(5), 4, implementation=implementation)
        totals.append(topk.get_total_flops())
    assert totals[0] == totals[1] > 0


def test_import_needs_no_triton() -> None:
    """As on macOS: nothing that is imported or run on the CPU asks for triton."""
    program = """
import sys
sys.modules["triton"] = None
import torch, kernels
y = kernels.expand(torch.randn(1, 4, 2, 2), torch.tensor([[0, 2, 3]]), alpha=torch.ones(1))
assert y.shape == (1, 7, 2, 2)
kernels.topk_scores(torch.randn(1, 4, 2, 2), torch.ones(3), 2)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_auto_takes_the_operator_in_eager_mode_and_native_for_what_it_does_not_take(
    cases: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    q = cases.make((1, 20, 2, 2, 16))
    taken = []
    monkeypatch.setattr(cpu, "expand", lambda *a: taken.append("operator") or reference.expand(*a))
    kernels.expand(q.x, q.idx, alpha=q.alpha)
    kernels.expand(q.x, q.idx, alpha=q.alpha, implementation="native")
    monkeypatch.setattr(dispatch, "MAX_K", 8)
    kernels.expand(q.x, q.idx, alpha=q.alpha)
    assert taken == ["operator"]
    with pytest.raises(ValueError, match="k=16 selected channels; the kernels take at most 8"):
        kernels.expand(q.x, q.idx, alpha=q.alpha, implementation="fused")
    monkeypatch.setattr(dispatch, "MAX_C", 8)
    with pytest.raises(ValueError, match="C=20 channels; the kernel ranks at most 8"):
        kernels.topk_scores(q.x, torch.ones(3), 4, implementation="fused")
    kernels.topk_scores(q.x, torch.ones(3), 4)
