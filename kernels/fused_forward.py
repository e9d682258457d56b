"""The whole expansion in one kernel: selection, products, activation, affine map, concatenation; x is read, y written,
nothing lies between. Defined by reference.expand. Imports triton.

    y[b, c]            = x[b, c]                                                    c < C
    y[b, C + p(i, j)]  = f(alpha g_i x[b, S_bi] g_j x[b, S_bj]) w_p + b_p           i < j      eqs. 2, 8-11

NCHW: program (b, r) folds the triangle: rows r and k-2-r have k pairs together, whatever r (half as many where the two
are one row), each row is one run of consecutive output channels, and its first operand stays in registers.
NHWC: a pixel's pairs are consecutive in memory, so a program takes a block of pairs for a block of pixels.
In both, further programs of the same launch copy x. Sums and products are in float32 (float64 for float64 input).
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from .device import ACTIVATION_CODES, activation, pack, selected, unpack
from .launch import Launch, blocks, power_of_two
from .layout import strides
from .triangular import count


@triton.jit
def _fold_nchw(
    x,
    idx,
    gate,
    alpha,
    weight,
    bias,
    y,
    x_batch,
    HW: tl.constexpr,
    C: tl.constexpr,
    K: tl.constexpr,
    P: tl.constexpr,
    ACTIVATION: tl.constexpr,
    ACC: tl.constexpr,
    TILES: tl.constexpr,
    COPIES: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_HW: tl.constexpr,
):
    FOLDS: tl.constexpr = (K // 2) * TILES
    b = (tl.program_id(0) // (FOLDS + COPIES)).to(tl.int64)
    t = tl.program_id(0) % (FOLDS + COPIES)
    x += b * x_batch
    y += b * ((C + P) * HW)
    idx += b * K
    if t < FOLDS:
        r = t // TILES
        s = K - 2 - r
        o = (t % TILES) * BLOCK_HW + tl.arange(0, BLOCK_HW)
        c_r, ok_r = selected(idx, r, r < K, C)
        c_s, ok_s = selected(idx, s, s < K, C)
        z_r = tl.load(x + c_r * HW + o, mask=o < tl.where(ok_r, HW, 0), other=float("nan")).to(ACC)
        z_s = tl.load(x + c_s * HW + o, mask=o < tl.where(ok_s, HW, 0), other=float("nan")).to(ACC)
        if gate is not None:
            z_r *= tl.load(gate + b * K + r).to(ACC)
            z_s *= tl.load(gate + b * K + s).to(ACC)
        length_r = K - 1 - r
        length = tl.where(s > r, K, length_r)
        for start in range(0, K, BLOCK_Q):
            q = start + tl.arange(0, BLOCK_Q)
            live = q < length
            in_r = q < length_r
            i = tl.where(in_r, r, s)
            j = tl.where(in_r, r + 1 + q, s + 1 + q - length_r)
            p = pack(i, j, K)
            c_j, ok_j = selected(idx, j, live, C)
            inside = o[None, :] < HW
            z_j = tl.load(x + c_j[:, None] * HW + o[None, :], mask=ok_j[:, None] & inside, other=float("nan")).to(ACC)
            if gate is not None:
                z_j *= tl.load(gate + b * K + j, mask=live, other=0.0).to(ACC)[:, None]
            u = z_j * tl.where(in_r[:, None], z_r[None, :], z_s[None, :])
            if alpha is not None:
                u *= tl.load(alpha).to(ACC)
            w = tl.load(weight + p, mask=live, other=0.0).to(ACC)
            a = tl.load(bias + p, mask=live, other=0.0).to(ACC)
            v = activation(u, ACTIVATION) * w[:, None] + a[:, None]
            tl.store(y + (C + p)[:, None] * HW + o[None, :], v.to(y.dtype.element_ty), mask=live[:, None] & inside)
    else:
        e = (t - FOLDS) * (BLOCK_Q * BLOCK_HW) + tl.arange(0, BLOCK_Q * BLOCK_HW)
        tl.store(y + e, tl.load(x + e, mask=e < C * HW), mask=e < C * HW)


@triton.jit
def _tile_nhwc(
    x,
    idx,
    gate,
    alpha,
    weight,
    bias,
    y,
    x_batch,
    X_PIXEL: tl.constexpr,
    HW: tl.constexpr,
    C: tl.constexpr,
    K: tl.constexpr,
    P: tl.constexpr,
    ACTIVATION: tl.constexpr,
    ACC: tl.constexpr,
    TILES: tl.constexpr,
    PAIR_TILES: tl.constexpr,
    COPIES: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_P: tl.constexpr,
):
    ACROSS: tl.constexpr = PAIR_TILES + COPIES
    b = (tl.program_id(0) // (TILES * ACROSS)).to(tl.int64)
    t = tl.program_id(0) % ACROSS
    n = ((tl.program_id(0) // ACROSS) % TILES) * BLOCK_N + tl.arange(0, BLOCK_N)
    inside = (n < HW)[:, None]
    x_row = x + b * x_batch + n[:, None] * X_PIXEL
    y_row = y + b * ((C + P) * HW) + n[:, None] * (C + P)
    idx += b * K
    if t < PAIR_TILES:
        p = t * BLOCK_P + tl.arange(0, BLOCK_P)
        live = p < P
        i, j = unpack(p, K)
        c_i, ok_i = selected(idx, i, live, C)
        c_j, ok_j = selected(idx, j, live, C)
        u = tl.load(x_row + c_i[None, :], mask=ok_i[None, :] & inside, other=float("nan")).to(ACC)
        u *= tl.load(x_row + c_j[None, :], mask=ok_j[None, :] & inside, other=float("nan")).to(ACC)
        if gate is not None:
            g_i = tl.load(gate + b * K + i, mask=live, other=0.0).to(ACC)
            g_j = tl.load(gate + b * K + j, mask=live, other=0.0).to(ACC)
            u *= (g_i * g_j)[None, :]
        if alpha is not None:
            u *= tl.load(alpha).to(ACC)
        w = tl.load(weight + p, mask=live, other=0.0).to(ACC)
        a = tl.load(bias + p, mask=live, other=0.0).to(ACC)
        v = activation(u, ACTIVATION) * w[None, :] + a[None, :]
        tl.store(y_row + (C + p)[None, :], v.to(y.dtype.element_ty), mask=live[None, :] & inside)
    else:
        c = ((t - PAIR_TILES) * BLOCK_P + tl.arange(0, BLOCK_P))[None, :]
        tl.store(y_row + c, tl.load(x_row + c, mask=(c < C) & inside), mask=(c < C) & inside)


def launch(
    x_BCHW: Tensor,
    idx_BK: Tensor,
    gate_BK: Tensor | None,
    activation: str | None,
    alpha: Tensor | None,
    weight_P: Tensor,
    bias_P: Tensor,
    y_BCHW: Tensor,
    acc: Any,
    *,
    block: tuple[int, int] | None = None,
    num_warps: int = 4,
) -> Launch:
    """Fills y [B, C+P, H, W], dense in NCHW or in NHWC; x has y's layout inside a sample (any batch or pixel stride).

    `block` is (pairs, pixels) of a program for NCHW and (pixels, pairs) for NHWC: for tuning.
    """
    B, C, H, W = x_BCHW.shape
    K, HW = idx_BK.shape[1], H * W
    P = count(K)
    assert y_BCHW.shape == (B, C + P, H, W)
    args: dict[str, Any] = {"x": x_BCHW, "idx": idx_BK, "gate": gate_BK, "alpha": None if activation is None else alpha}
    args |= {"weight": weight_P, "bias": bias_P, "y": y_BCHW, "x_batch": strides(x_BCHW)[0]}
    args |= {"HW": HW, "C": C, "K": K, "P": P, "ACTIVATION": ACTIVATION_CODES[activation], "ACC": acc}
    if y_BCHW.is_contiguous():
        rows, pixels = block or (16 if K % 16 == 0 else 8, min(64, power_of_two(HW)))
        copies = blocks(C * HW, rows * pixels)
        args |= {"TILES": blocks(HW, pixels), "COPIES": copies, "BLOCK_Q": rows, "BLOCK_HW": pixels}
        return Launch(_fold_nchw, B * ((K // 2) * args["TILES"] + copies), args, num_warps)
    assert y_BCHW.is_contiguous(memory_format=torch.channels_last)
    pixels, rows = block or (min(16, power_of_two(HW)), 64)
    tiles, across = blocks(HW, pixels), (blocks(P, rows), blocks(C, rows))
    args |= {"X_PIXEL": strides(x_BCHW)[2], "TILES": tiles, "PAIR_TILES": across[0], "COPIES": across[1]}
    args |= {"BLOCK_N": pixels, "BLOCK_P": rows}
    return Launch(_tile_nhwc, B * tiles * sum(across), args, num_warps)
