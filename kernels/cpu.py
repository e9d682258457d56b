"""The expansion on the CPU, eager: a few samples at a time, so that every temporary stays in cache.

Each chunk runs the operators of reference.expand, and the closed form of its gradient (see fused_backward) instead of a
graph: the work of PyTorch's own operators on small tensors, without memory traffic and page faults for [B, P, H, W].
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .layout import memory_format
from .reference import ACTIVATIONS, activation_and_slope, cross_hadamard_backward, pairs, partners, select
from .triangular import count

CHUNK = 2**16
"""Products a chunk and thread: 256 KiB a temporary in float32."""


def _chunks(z: Tensor) -> Iterator[slice]:
    products = count(z.shape[1]) * z.shape[2] * z.shape[3]
    step = max(1, CHUNK * torch.get_num_threads() // max(1, products))
    for first in range(0, len(z), step):
        yield slice(first, first + step)


def _flat(x_BCHW: Tensor) -> Tensor:
    """NCHW as it is; channels_last as [B*H*W, C, 1, 1], so that channels_last too is handled in the order of memory."""
    if memory_format(x_BCHW) == torch.contiguous_format:
        return x_BCHW
    return x_BCHW.permute(0, 2, 3, 1).flatten(0, 2)[:, :, None, None]


def _gated(x_BKHW: Tensor, gate_BK: Tensor | None) -> Tensor:
    return x_BKHW if gate_BK is None else x_BKHW * gate_BK.to(x_BKHW.dtype)[:, :, None, None]


def expand(
    x_BCHW: Tensor,
    idx_BK: Tensor,
    gate_BK: Tensor | None,
    activation: str | None,
    alpha: Tensor | None,
    weight_P: Tensor,
    bias_P: Tensor,
) -> Tensor:
    """reference.expand without a graph, in float32 at least; y has x's memory layout."""
    B, C, H, W = x_BCHW.shape
    P, layout = count(idx_BK.shape[1]), memory_format(x_BCHW)
    wide = torch.promote_types(x_BCHW.dtype, torch.float32)
    weight, bias = weight_P.to(wide).view(1, -1, 1, 1), bias_P.to(wide).view(1, -1, 1, 1)
    y_BCHW = torch.empty((B, C + P, H, W), dtype=x_BCHW.dtype, memory_format=layout)
    z_BKHW = select(x_BCHW, idx_BK).to(wide, memory_format=layout)
    z_BKHW = _gated(z_BKHW, gate_BK)
    i, j = pairs(idx_BK.shape[1])
    zs, ys = _flat(z_BKHW), _flat(y_BCHW)
    us = zs if alpha is None or activation is None else zs * alpha.to(wide)
    ys[:, :C] = _flat(x_BCHW.contiguous(memory_format=layout))
    for b in _chunks(zs):
        q = us[b].index_select(1, i).mul_(zs[b].index_select(1, j))
        if activation is not None:
            q = ACTIVATIONS[activation](q)
        ys[b, C:] = torch.addcmul(bias, q, weight)
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
    """(dx, dgate [B, k] or empty, dw ++ db ++ the k sums of e_i z_i whose half is dalpha), as in fused_backward."""
    K, P = idx_BK.shape[1], weight_P.numel()
    C, layout = y_BCHW.shape[1] - P, memory_format(y_BCHW)
    dy_BCHW = dy_BCHW.contiguous(memory_format=layout)
    wide = torch.promote_types(y_BCHW.dtype, torch.float32)
    weight = weight_P.to(wide).view(1, -1, 1, 1)
    x_BKHW = select(y_BCHW[:, :C], idx_BK).to(wide, memory_format=layout)
    z_BKHW = _gated(x_BKHW, gate_BK)
    e_BKHW = torch.empty_like(z_BKHW)
    dparams = torch.zeros(2 * P + K, dtype=wide)
    (i, j), table = pairs(K), partners(K)
    zs, es, ds = _flat(z_BKHW), _flat(e_BKHW), _flat(dy_BCHW)[:, C:]
    us = zs if alpha is None or activation is None else zs * alpha.to(wide)
    for b in _chunks(zs):
        d = ds[b].to(wide)
        f = us[b].index_select(1, i).mul_(zs[b].index_select(1, j))
        T = d * weight
        if activation is not None:
            f, slope = activation_and_slope(f, activation)
            T.mul_(slope)
        es[b] = cross_hadamard_backward(T, zs[b], table)
        dparams[:P] += f.mul_(d).sum((0, 2, 3))
        dparams[P : 2 * P] += d.sum((0, 2, 3))
    dparams[2 * P :] = (es * zs).sum((0, 2, 3))
    if activation is not None:
        assert alpha is not None
        e_BKHW *= alpha.to(wide)
    dgate_BK = dparams.new_zeros(0) if gate_BK is None else (e_BKHW * x_BKHW).sum((2, 3))
    dz_BKHW = _gated(e_BKHW, gate_BK)
    at = idx_BK.long()[:, :, None, None].expand_as(dz_BKHW)
    dx_BCHW = torch.empty_like(y_BCHW[:, :C], dtype=wide, memory_format=layout)
    _flat(dx_BCHW)[:] = _flat(dy_BCHW)[:, :C]
    return dx_BCHW.scatter_add_(1, at, dz_BKHW).to(y_BCHW.dtype), dgate_BK, dparams
