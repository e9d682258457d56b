"""The Triton kernels themselves, on a GPU, or on the CPU in Triton's interpreter (see ../test_interpreter.py)."""

from __future__ import annotations

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import kernels
from kernels import reference

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
if not INTERPRETED and not torch.cuda.is_available():
    pytest.skip("no CUDA device; test_interpreter.py runs this file on the CPU", allow_module_level=True)

EXPAND = torch.ops.hadaptive.expand
SCHEMES = ["direct_indexing", "parity_balanced"]


def test_the_operator_runs_triton_here() -> None:
    assert kernels.has_triton(torch.device(DEVICE, None if INTERPRETED else 0))


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_fused_matches_float64_for_every_shape(cases: SimpleNamespace, shape: tuple[int, ...], layout: str) -> None:
    cases.check(cases.make(shape, layout=layout, device=DEVICE), EXPAND)


@pytest.mark.parametrize("gated", [True, False])
def test_fused_matches_float64_for_every_curve_and_layout(
    cases: SimpleNamespace, layout: str, activation: str | None, gated: bool
) -> None:
    cases.check(cases.make((2, 11, 3, 2, 5), layout=layout, activation=activation, gated=gated, device=DEVICE), EXPAND)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_fused_matches_float64_for_every_dtype(cases: SimpleNamespace, dtype: torch.dtype, layout: str) -> None:
    cases.check(cases.make((3, 20, 7, 3, 16), dtype, layout, device=DEVICE), EXPAND)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_fused_gradcheck(cases: SimpleNamespace, layout: str) -> None:
    q = cases.make((1, 3, 2, 1, 2) if INTERPRETED else (1, 4, 2, 1, 3), torch.float64, layout, device=DEVICE)
    leaves = [t.requires_grad_() for t in (q.x, q.gate, q.weight, q.bias)]
    assert torch.autograd.gradcheck(
        lambda x, gate, weight, bias: EXPAND(x, q.idx, gate, "softsign", q.alpha, weight, bias), leaves
    )


def test_fused_matches_float64_for_tokens(cases: SimpleNamespace) -> None:
    q = cases.make((2, 11, 6, 1, 5), device=DEVICE)
    tokens = q.x[..., 0].mT.contiguous()
    cases.check(replace(q, x=tokens.mT[..., None]), EXPAND)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("layout", ["nchw", "strided", "nhwc", "nchw_slice"])
def test_the_papers_schemes_match_float64(cases: SimpleNamespace, scheme: str, layout: str) -> None:
    for shape in ((3, 7, 7, 7, 3), (1, 17, 1, 5, 16), (2, 5, 36, 36, 2)):
        q = cases.make(shape, layout=layout, device=DEVICE)
        cases.check(
            q,
            lambda x, idx, gate, activation, alpha, weight, bias: kernels.expand(
                x, idx, gate, activation=activation, alpha=alpha, weight_P=weight, bias_P=bias, implementation=scheme
            ),
        )


@pytest.mark.parametrize("implementation", ["fused", *SCHEMES])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_the_memory_format_is_kept(cases: SimpleNamespace, implementation: str, layout: str) -> None:
    kept = torch.channels_last if layout == "nhwc" else torch.contiguous_format
    q = cases.make((2, 6, 3, 3, 4), layout=layout, device=DEVICE)
    y = kernels.expand(q.x.requires_grad_(), q.idx, q.gate, alpha=q.alpha, implementation=implementation)
    (dx,) = torch.autograd.grad(y, q.x, torch.randn_like(y))
    assert y.is_contiguous(memory_format=kept)
    assert dx.is_contiguous(memory_format=kept)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "dtype",
    # the interpreter cuts bfloat16 off where a GPU rounds it
    [torch.float16, torch.float64] + [torch.bfloat16] * (not INTERPRETED),
)
def test_the_papers_product_is_rounded_once(cases: SimpleNamespace, scheme: str, dtype: torch.dtype) -> None:
    q = cases.make((2, 9, 3, 3, 6), dtype, device=DEVICE)
    want = reference.cross_hadamard(reference.select(q.x.double(), q.idx)).to(dtype)
    assert torch.equal(torch.ops.hadaptive.cross(q.x, q.idx, scheme), want)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_results_repeat_to_the_bit(cases: SimpleNamespace, layout: str) -> None:
    q = cases.make((2, 9, 3, 3, 4) if INTERPRETED else (3, 20, 5, 5, 9), torch.float16, layout, device=DEVICE)
    first, second = q.run(EXPAND), q.run(EXPAND)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("implementation", ["fused", *SCHEMES])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_every_output_is_written_and_nothing_beside_it(
    cases: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, implementation: str, layout: str
) -> None:
    """Outputs start as NaN with a margin of NaN around them: none may be left inside, none changed outside."""
    q = cases.make((2, 11, 3, 3, 6), layout=layout, device=DEVICE)
    buffers = []
    empty = torch.empty

    def poisoned(*shape: object, **options: object) -> torch.Tensor:
        size = tuple(shape[0]) if isinstance(shape[0], (tuple, list, torch.Size)) else shape
        like = empty(size, **options)
        if not like.is_floating_point():
            return like
        buffer = empty(like.numel() + 128, dtype=like.dtype, device=like.device).fill_(float("nan"))
        buffers.append((buffer, like.numel()))
        return buffer[64:-64].as_strided(like.shape, like.stride(), 64)

    monkeypatch.setattr(torch, "empty", poisoned)
    y = kernels.expand(
        q.x, q.idx, q.gate, alpha=q.alpha, weight_P=q.weight, bias_P=q.bias, implementation=implementation
    )
    if implementation == "fused":
        torch.ops.hadaptive.expand_backward(q.dy, y, q.idx, q.gate, "softsign", q.alpha, q.weight)
    monkeypatch.undo()
    assert buffers
    for buffer, n in buffers:
        assert not buffer[64 : 64 + n].isnan().any()
        assert buffer[:64].isnan().all()
        assert buffer[64 + n :].isnan().all()


@pytest.mark.parametrize("scheme", [None, *SCHEMES])
@pytest.mark.parametrize("bad", [-1, 9, 10**6])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_an_index_out_of_range_gives_nan_and_reads_nothing_foreign(
    cases: SimpleNamespace, scheme: str | None, bad: int, layout: str
) -> None:
    q = cases.make((1, 9, 2, 2, 4), layout=layout, device=DEVICE)
    q.idx[0, 2] = bad
    if scheme is None:
        products = EXPAND(q.x, q.idx, None, None, None, q.weight, q.bias)[:, 9:]
    else:
        products = torch.ops.hadaptive.cross(q.x, q.idx, scheme)
    touched = [2 in pair for pair in zip(*(t.tolist() for t in kernels.pairs(4)), strict=True)]
    assert products.isnan().all(dim=(2, 3))[0].tolist() == touched
    assert products.isnan().any(dim=(2, 3))[0].tolist() == touched
    dx, _, _ = torch.ops.hadaptive.expand_backward(q.dy, torch.zeros_like(q.dy), q.idx, None, None, None, q.weight)
    assert dx.shape == q.x.shape


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_no_samples_and_no_pixels_launch_nothing(cases: SimpleNamespace, layout: str) -> None:
    q = cases.make((2, 6, 3, 3, 4), layout=layout, device=DEVICE)
    for x, idx in ((q.x[:0], q.idx[:0]), (q.x[..., :0], q.idx)):
        x, gate = x.clone().requires_grad_(), torch.ones(idx.shape, device=DEVICE, requires_grad=True)
        for implementation in ("fused", *SCHEMES):
            y = kernels.expand(x, idx, gate, alpha=q.alpha, implementation=implementation)
            dx, dgate = torch.autograd.grad(y.sum(), (x, gate))
            assert dx.shape == x.shape
            assert torch.equal(dgate, torch.zeros_like(gate))
    scores, idx = kernels.topk_scores(q.x[:0], torch.ones(3, device=DEVICE), 2, implementation="fused")
    assert scores.shape == (0, 6)
    assert idx.shape == (0, 2)


def test_samples_further_apart_than_2_to_the_31_elements(cases: SimpleNamespace) -> None:
    q = cases.make((2, 5, 2, 2, 3), torch.float16, device=DEVICE)
    apart = 2**31 + 8
    x = torch.empty(apart + 20, dtype=torch.float16, device=DEVICE).as_strided((2, 5, 2, 2), (apart, 4, 2, 1))
    x.copy_(q.x)
    want = EXPAND(q.x, q.idx, None, None, None, q.weight, q.bias)
    assert torch.equal(EXPAND(x, q.idx, None, None, None, q.weight, q.bias), want)
    for scheme in SCHEMES:
        assert torch.equal(torch.ops.hadaptive.cross(x, q.idx, scheme), torch.ops.hadaptive.cross(q.x, q.idx, scheme))
    eca = torch.ones(3, device=DEVICE)
    for got, want in zip(
        torch.ops.hadaptive.topk_scores(x, eca, 3, None),
        torch.ops.hadaptive.topk_scores(q.x, eca, 3, None),
        strict=True,
    ):
        assert torch.equal(got, want)


@pytest.mark.parametrize(("C", "k", "taps"), [(96, 16, 5), (192, 36, 5), (256, 48, 5), (7, 2, 3), (5, 5, 1), (2, 2, 5)])
@pytest.mark.parametrize("layout", ["nchw", "nhwc", "nchw_slice", "strided"])
def test_topk_is_the_reference(cases: SimpleNamespace, C: int, k: int, taps: int, layout: str) -> None:
    x = cases.make((3, C, 7, 7, 2), layout=layout, device=DEVICE).x
    x[1] = 0  # all scores tie
    eca = torch.randn(taps, device=DEVICE)
    for noise in (None, torch.randn(3, C, device=DEVICE)):
        scores, idx = kernels.topk_scores(x, eca, k, noise, implementation="fused")
        want, want_idx = reference.topk_scores(x.double(), eca.double(), k, None if noise is None else noise.double())
        torch.testing.assert_close(scores.double(), want, rtol=0, atol=1e-6)
        assert torch.equal(idx, want_idx)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numpy, which the interpreter computes with
def test_topk_of_scores_that_are_no_numbers_is_still_valid(value: float) -> None:
    x = torch.randn(2, 12, 3, 3, device=DEVICE)
    x[0, 4] = value
    x[1] = value
    _, idx = kernels.topk_scores(x, torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0], device=DEVICE), 5, implementation="fused")
    assert all(len(set(row)) == 5 and set(row) <= set(range(12)) for row in idx.tolist())


def test_compiled_and_exported_programs_call_the_kernels(cases: SimpleNamespace) -> None:
    q = cases.make((3, 8, 2, 3, 4), device=DEVICE)

    def run(x: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = EXPAND(x, q.idx.long(), rest[0], "softsign", rest[1], rest[2], rest[3]) * 2
        return y

    compiled = torch.compile(run, fullgraph=True, backend="aot_eager" if INTERPRETED else "inductor")
    arguments = [t.requires_grad_() for t in (q.x, q.gate, q.alpha, q.weight, q.bias)]
    want, got = run(*arguments), compiled(*arguments)
    torch.testing.assert_close(got, want)
    for a, b in zip(torch.autograd.grad(got, arguments, q.dy), torch.autograd.grad(want, arguments, q.dy), strict=True):
        torch.testing.assert_close(a, b)
