"""Problems for the operator tests: odd shapes, every layout, and what "close enough" means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from kernels import reference

# (B, C, H, W, k): every k of the nets and the smallest, HW of 1, 5, 49 and 196, batch 1 and 3.
SHAPES = [
    (3, 2, 1, 1, 2),
    (1, 7, 5, 1, 3),
    (3, 17, 1, 5, 16),
    (1, 96, 14, 14, 16),
    (1, 33, 7, 7, 24),
    (1, 40, 7, 7, 36),
    (1, 37, 1, 1, 36),
    (1, 49, 1, 5, 48),
    (1, 5, 14, 14, 2),
]
LAYOUTS = ("nchw", "nhwc", "strided", "nchw_slice", "nhwc_slice")
ACTIVATIONS = ("softsign", "sigmoid", "algebraic", None)


def lay_out(x: Tensor, layout: str) -> Tensor:
    """The same values in another memory layout: a slice has foreign channels between its samples or pixels."""
    B, C, H, W = x.shape
    if layout == "nchw":
        return x.contiguous()
    if layout == "nhwc":
        return x.contiguous(memory_format=torch.channels_last)
    if layout == "strided":
        around = x.new_full((B, 2 * C, H + 1, W + 2), float("nan"))
        view = around[:, ::2, 1:, 1:-1]
    else:
        around = x.new_full((B, C + 3, H, W), float("nan"))
        if layout == "nhwc_slice":
            around = around.contiguous(memory_format=torch.channels_last)
        view = around[:, :C]
    view.copy_(x)
    return view


@dataclass(frozen=True)
class Problem:
    """Arguments of one expansion and the gradient that comes back to it."""

    x: Tensor
    idx: Tensor
    gate: Tensor | None
    activation: str | None
    alpha: Tensor
    weight: Tensor
    bias: Tensor
    dy: Tensor

    def double(self) -> Problem:
        wide = {n: t.double() for n, t in vars(self).items() if isinstance(t, Tensor) and t.is_floating_point()}
        return replace(self, **wide)

    def absolute(self) -> Problem:
        """All inputs positive: its sums are the sums of the magnitudes of this problem's terms (or more)."""
        return replace(self, **{n: t.abs() for n, t in vars(self).items() if isinstance(t, Tensor)})

    def run(self, expand: Callable[..., Tensor]) -> dict[str, Tensor]:
        """y and every gradient of expand(x, idx, gate, activation, alpha, weight, bias)."""
        names = ["x", "weight", "bias"] + ["alpha"] * (self.activation is not None) + ["gate"] * (self.gate is not None)
        leaves = {n: getattr(self, n).detach().requires_grad_() for n in names}
        given = {**vars(self), **leaves}
        y = expand(*(given[n] for n in ("x", "idx", "gate", "activation", "alpha", "weight", "bias")))
        gradients = torch.autograd.grad(y, list(leaves.values()), self.dy)
        return {"y": y.detach(), **{f"d{n}": g for n, g in zip(names, gradients, strict=True)}}


def make(
    shape: tuple[int, int, int, int, int],
    dtype: torch.dtype = torch.float32,
    layout: str = "nchw",
    *,
    gated: bool = True,
    activation: str | None = "softsign",
    device: str = "cpu",
) -> Problem:
    """A random problem; parameters in float32 at least, as under autocast."""
    B, C, H, W, k = shape
    g = torch.Generator().manual_seed(sum(shape))
    P = k * (k - 1) // 2
    wide = torch.promote_types(dtype, torch.float32)
    x = torch.randn(B, C, H, W, generator=g).to(device, dtype)
    idx = torch.stack([torch.randperm(C, generator=g)[:k] for _ in range(B)])
    dy = torch.randn(B, C + P, H, W, generator=g).to(device, dtype)
    return Problem(
        x=lay_out(x, layout),
        idx=idx.to(device, torch.int32 if B % 2 else torch.int64),
        gate=(torch.rand(B, k, generator=g) + 0.5).to(device, wide) if gated else None,
        activation=activation,
        alpha=torch.tensor([0.7], dtype=wide, device=device),
        weight=torch.randn(P, generator=g).to(device, wide),
        bias=torch.randn(P, generator=g).to(device, wide),
        dy=dy if "nhwc" not in layout else dy.contiguous(memory_format=torch.channels_last),
    )


def assert_as_good_as_reference(problem: Problem, expand: Callable[..., Tensor]) -> None:
    """Against float64: an error at most twice that of the reference in the problem's own precision.

    Where the reference's rounding errors happen to cancel, four roundings of the sum of all magnitudes are allowed.
    """
    exact = problem.double().run(reference.expand)
    magnitude = problem.double().absolute().run(reference.expand)
    plain = problem.run(reference.expand)
    ours = problem.run(expand)
    for name, want in exact.items():
        allowed = max(
            2 * (plain[name].double() - want).abs().max().item(),
            4 * torch.finfo(ours[name].dtype).eps * magnitude[name].max().item(),
        )
        error = (ours[name].double() - want).abs().max().item()
        assert error <= allowed, f"{name}: error {error:.3g}, allowed {allowed:.3g}"  # and so not NaN


@pytest.fixture
def cases() -> SimpleNamespace:
    return SimpleNamespace(make=make, lay_out=lay_out, check=assert_as_good_as_reference, Problem=Problem)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Arguments named shape, layout or activation take the lists above."""
    for name, values in (("shape", SHAPES), ("layout", LAYOUTS), ("activation", ACTIVATIONS)):
        marked = any(name in str(m.args[0]) for m in metafunc.definition.iter_markers("parametrize"))
        if name in metafunc.fixturenames and not marked:
            metafunc.parametrize(name, values, ids=str)
