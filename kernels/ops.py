"""The operators: `torch.library` registrations in the namespace hadaptive. Call them through dispatch.py, which checks.

    hadaptive::expand           x, idx, gate?, activation, alpha?, weight, bias -> y
    hadaptive::expand_backward  its gradients; x is read out of y, which the next layer keeps anyway
    hadaptive::cross            the paper's own operator, by Direct-Indexing or Parity-Balanced
    hadaptive::topk_scores      scores and the k highest channels

Each has a CPU and a CUDA kernel, a fake one (shapes), a gradient and a count of operations. With TRITON_INTERPRET=1 in
the environment the CPU runs the Triton kernels in Triton's interpreter: slow, for tests.
"""

from __future__ import annotations

import math
import os
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from . import cpu, reference
from .layout import memory_format
from .triangular import count


def interpreted() -> bool:
    """Return whether the CPU runs the Triton kernels, in Triton's interpreter."""
    return os.environ.get("TRITON_INTERPRET", "0") == "1"


def _gpu() -> ModuleType:
    from . import gpu  # the only import of triton

    return gpu


# ------------------------------------------------------------------------------------------------ hadaptive::expand
@torch.library.custom_op(
    "hadaptive::expand",
    mutates_args=(),
    device_types="cpu",
    schema="(Tensor x, Tensor idx, Tensor? gate, str? activation, Tensor? alpha, Tensor weight, Tensor bias) -> Tensor",
)
def _expand(
    x: Tensor,
    idx: Tensor,
    gate: Tensor | None,
    activation: str | None,
    alpha: Tensor | None,
    weight: Tensor,
    bias: Tensor,
) -> Tensor:
    expand = _gpu().expand if interpreted() else cpu.expand
    y: Tensor = expand(x, idx, gate, activation, alpha, weight, bias)
    return y


@_expand.register_kernel("cuda")
def _(x, idx, gate, activation, alpha, weight, bias):
    return _gpu().expand(x, idx, gate, activation, alpha, weight, bias)


@_expand.register_fake
def _(x, idx, gate, activation, alpha, weight, bias):
    B, C, H, W = x.shape
    shape = (B, C + count(idx.shape[1]), H, W)
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=memory_format(x))


@torch.library.custom_op(
    "hadaptive::expand_backward",
    mutates_args=(),
    device_types="cpu",
    schema="(Tensor dy, Tensor y, Tensor idx, Tensor? gate, str? activation, Tensor? alpha, Tensor weight)"
    " -> (Tensor, Tensor, Tensor)",
)
def _expand_backward(
    dy: Tensor,
    y: Tensor,
    idx: Tensor,
    gate: Tensor | None,
    activation: str | None,
    alpha: Tensor | None,
    weight: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    backward = _gpu().expand_backward if interpreted() else cpu.expand_backward
    gradients: tuple[Tensor, Tensor, Tensor] = backward(dy, y, idx, gate, activation, alpha, weight)
    return gradients


@_expand_backward.register_kernel("cuda")
def _(dy, y, idx, gate, activation, alpha, weight):
    return _gpu().expand_backward(dy, y, idx, gate, activation, alpha, weight)


@_expand_backward.register_fake
def _(dy, y, idx, gate, activation, alpha, weight):
    B, CP, H, W = y.shape
    K, P = idx.shape[1], weight.numel()
    wide = torch.promote_types(y.dtype, torch.float32)
    dx = torch.empty((B, CP - P, H, W), dtype=y.dtype, device=y.device, memory_format=memory_format(y))
    dgate = y.new_empty((0,) if gate is None else (B, K), dtype=wide)
    return dx, dgate, y.new_empty(2 * P + K, dtype=wide)


def _expand_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, idx, gate, ctx.activation, alpha, weight, ctx.bias = *inputs[:6], inputs[6].dtype
    ctx.save_for_backward(output, idx, gate, alpha, weight)


def _expand_autograd(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
    y, idx, gate, alpha, weight = ctx.saved_tensors
    dx, dgate, dparams = torch.ops.hadaptive.expand_backward(dy, y, idx, gate, ctx.activation, alpha, weight)
    P = weight.numel()
    return (
        dx,
        None,
        None if gate is None else dgate.to(gate.dtype),
        None,
        None
        if alpha is None or ctx.activation is None
        else (dparams[2 * P :].sum() / 2).to(alpha.dtype).view(alpha.shape),
        dparams[:P].to(weight.dtype),
        dparams[P : 2 * P].to(ctx.bias),
    )


_expand.register_autograd(_expand_autograd, setup_context=_expand_setup)


# ------------------------------------------------------------------------------------------------- hadaptive::cross
@torch.library.custom_op(
    "hadaptive::cross", mutates_args=(), device_types="cpu", schema="(Tensor x, Tensor idx, str scheme) -> Tensor"
)
def _cross(x: Tensor, idx: Tensor, scheme: str) -> Tensor:
    if not interpreted():
        return reference.cross_hadamard(reference.select(x, idx)).contiguous()
    q: Tensor = _gpu().cross(x, idx, scheme)
    return q


@_cross.register_kernel("cuda")
def _(x, idx, scheme):
    return _gpu().cross(x, idx, scheme)


@_cross.register_fake
def _(x, idx, scheme):
    B, _, H, W = x.shape
    return x.new_empty((B, count(idx.shape[1]), H, W))


def _cross_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:2])


def _cross_autograd(ctx: Any, dq: Tensor) -> tuple[Tensor | None, ...]:
    x, idx = ctx.saved_tensors
    dz = reference.cross_hadamard_backward(dq, reference.select(x, idx))
    return torch.zeros_like(x).scatter(1, idx.long()[:, :, None, None].expand_as(dz), dz), None, None


_cross.register_autograd(_cross_autograd, setup_context=_cross_setup)


# ------------------------------------------------------------------------------------------- hadaptive::topk_scores
@torch.library.custom_op(
    "hadaptive::topk_scores",
    mutates_args=(),
    device_types="cpu",
    schema="(Tensor x, Tensor eca_weight, int k, Tensor? noise) -> (Tensor, Tensor)",
)
def _topk_scores(x: Tensor, eca_weight: Tensor, k: int, noise: Tensor | None) -> tuple[Tensor, Tensor]:
    topk_scores = _gpu().topk_scores if interpreted() else reference.topk_scores
    scores, idx = topk_scores(x, eca_weight, k, noise)
    return scores.contiguous(), idx.contiguous()


@_topk_scores.register_kernel("cuda")
def _(x, eca_weight, k, noise):
    return _gpu().topk_scores(x, eca_weight, k, noise)


@_topk_scores.register_fake
def _(x, eca_weight, k, noise):
    B, C = x.shape[:2]
    scores = x.new_empty((B, C), dtype=torch.promote_types(x.dtype, torch.float32))
    return scores, x.new_empty((B, k), dtype=torch.long)


def _topk_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs[:2])
    ctx.mark_non_differentiable(output[1])


def _topk_autograd(ctx: Any, dscores: Tensor, _: Any) -> tuple[Tensor | None, ...]:
    x, eca_weight = ctx.saved_tensors
    B, C, H, W = x.shape
    taps = eca_weight.numel()
    padded = torch.nn.functional.pad(dscores, (taps // 2, taps // 2))  # [B, C + taps - 1]
    windows = padded.unfold(1, taps, 1)  # windows[b, c, t] = dscores[b, c + t - R]
    dmean = windows @ eca_weight.to(dscores.dtype).flatten().flip(0)
    mean = torch.nn.functional.pad(x.mean((2, 3), dtype=dscores.dtype), (taps // 2, taps // 2))
    dweight = torch.einsum("bct,bc->t", mean.unfold(1, taps, 1), dscores)
    dx = (dmean / (H * W)).to(x.dtype)[:, :, None, None].expand(B, C, H, W)
    return dx, dweight.to(eca_weight.dtype).view(eca_weight.shape), None, None


_topk_scores.register_autograd(_topk_autograd, setup_context=_topk_setup)


# ------------------------------------------------------------------- operations, in the convention of FlopCounterMode
# A multiply-add is two, and what a convolution's count leaves out (norms, activations, copies) is left out here too.
@register_flop_formula(torch.ops.hadaptive.expand)
def _expand_flops(x: Any, idx: Any, *args: Any, **kwargs: Any) -> int:
    """Return one multiplication per product and pixel (eq. 14)."""
    B, _, H, W = x
    return int(B * count(idx[1]) * H * W)


@register_flop_formula(torch.ops.hadaptive.expand_backward)
def _expand_backward_flops(dy: Any, y: Any, idx: Any, *args: Any, **kwargs: Any) -> int:
    """Two multiply-adds per product and pixel: T_ij z_j into dz_i and T_ij z_i into dz_j."""
    B, _, H, W = y
    return int(4 * B * count(idx[1]) * H * W)


@register_flop_formula(torch.ops.hadaptive.cross)
def _cross_flops(x: Any, idx: Any, *args: Any, **kwargs: Any) -> int:
    return _expand_flops(x, idx)


@register_flop_formula(torch.ops.hadaptive.topk_scores)
def _topk_flops(x: Any, eca_weight: Any, *args: Any, **kwargs: Any) -> int:
    """Return the convolution over channels."""
    return int(2 * x[0] * x[1] * math.prod(eca_weight))
