"""The operators of ops.py on a GPU: checks what a kernel needs, allocates, launches. Imports triton.

Nothing here waits for the GPU, so all of it can be captured in a CUDA graph once its kernels are compiled.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
import triton.language as tl
from torch import Tensor

from . import direct_indexing, fused_backward, fused_forward, parity_balanced, topk
from .layout import memory_format, regular
from .triangular import count


def _acc(x: Tensor) -> Any:
    return tl.float64 if x.dtype == torch.float64 else tl.float32


def _on(x: Tensor) -> contextlib.AbstractContextManager[Any]:
    """Triton launches on the current device, which need not be x's."""
    return torch.cuda.device(x.device) if x.is_cuda else contextlib.nullcontext()


def _dense(t: Tensor | None) -> Tensor | None:
    return None if t is None else t.contiguous()


def expand(
    x_BCHW: Tensor,
    idx_BK: Tensor,
    gate_BK: Tensor | None,
    activation: str | None,
    alpha: Tensor | None,
    weight_P: Tensor,
    bias_P: Tensor,
) -> Tensor:
    """reference.expand by fused_forward; y has x's memory layout."""
    B, C, H, W = x_BCHW.shape
    y_BCHW = torch.empty(
        (B, C + count(idx_BK.shape[1]), H, W),
        dtype=x_BCHW.dtype,
        device=x_BCHW.device,
        memory_format=memory_format(x_BCHW),
    )
    if y_BCHW.numel():
        with _on(x_BCHW):
            fused_forward.launch(
                regular(x_BCHW),
                idx_BK.contiguous(),
                _dense(gate_BK),
                activation,
                alpha,
                weight_P.contiguous(),
                bias_P.contiguous(),
                y_BCHW,
                _acc(x_BCHW),
            ).run()
    return y_BCHW


def expand_backward(
    dy_BCHW: Tensor,
    y_BCHW: Tensor,
    idx_BK: Tensor,
    gate_BK: Tensor | None,
    activation: str | None,
    alpha: Tensor | None,
    weight_P: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """(dx, dgate [B, k] or empty, dw ++ db ++ k terms whose half sum is dalpha) by fused_backward; x is read from y."""
    B, CP, H, W = y_BCHW.shape
    layout = memory_format(y_BCHW)
    C = CP - weight_P.numel()
    dx_BCHW = torch.empty((B, C, H, W), dtype=y_BCHW.dtype, device=y_BCHW.device, memory_format=layout)
    x_BCHW = y_BCHW.contiguous(memory_format=layout)[:, :C]
    run, partial, dgate = fused_backward.launch(
        dy_BCHW.contiguous(memory_format=layout),
        x_BCHW,
        idx_BK.contiguous(),
        _dense(gate_BK),
        activation,
        alpha,
        weight_P.contiguous(),
        dx_BCHW,
        _acc(y_BCHW),
    )
    if dx_BCHW.numel():
        with _on(y_BCHW):
            run.run()
    else:
        partial.zero_()
    dgate_BK = partial.new_zeros(0) if dgate is None else dgate.sum(1)
    return dx_BCHW, dgate_BK if dx_BCHW.numel() else dgate_BK.zero_(), partial.sum(0)


def cross(x_BCHW: Tensor, idx_BK: Tensor, scheme: str) -> Tensor:
    """reference.cross_hadamard of reference.select by one of the paper's two schemes; NCHW, as the paper's."""
    B, _, H, W = x_BCHW.shape
    q_BPHW = torch.empty((B, count(idx_BK.shape[1]), H, W), dtype=x_BCHW.dtype, device=x_BCHW.device)
    launch = {"direct_indexing": direct_indexing.launch, "parity_balanced": parity_balanced.launch}[scheme]
    if q_BPHW.numel():
        nchw = regular(x_BCHW) if memory_format(x_BCHW) == torch.contiguous_format else x_BCHW.contiguous()
        with _on(x_BCHW):
            launch(nchw, idx_BK.contiguous(), q_BPHW, _acc(x_BCHW)).run()
    return q_BPHW


def topk_scores(x_BCHW: Tensor, eca_weight: Tensor, k: int, noise_BC: Tensor | None) -> tuple[Tensor, Tensor]:
    """reference.topk_scores by topk."""
    B, C = x_BCHW.shape[:2]
    wide = torch.promote_types(x_BCHW.dtype, torch.float32)
    idx_BK = torch.empty((B, k), dtype=torch.long, device=x_BCHW.device)
    scores_BC = torch.empty((B, C), dtype=wide, device=x_BCHW.device)
    with _on(x_BCHW):
        topk.launch(regular(x_BCHW), eca_weight.contiguous(), _dense(noise_BC), idx_BK, scores_BC, _acc(x_BCHW)).run()
    return scores_BC, idx_BK
