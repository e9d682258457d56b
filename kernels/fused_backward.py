"""Gradients of the whole expansion in one kernel, without atomics: the same input gives the same bits. Imports triton.

With u = alpha z_i z_j and d = dy[b, C + p(i, j)], eqs. 2 and 11 give

    T_ij = d w_p f'(u)                              e_i = sum over j != i of T_ij z_j
    dx[b, S_bi] = dy[b, S_bi] + alpha g_i e_i       dx[b, c] = dy[b, c] for the other channels
    dg_bi = alpha sum over pixels of e_i x[b, S_bi]
    dw_p = sum of d f(u)      db_p = sum of d       dalpha = sum of T_ij z_i z_j over pairs = sum of e_i z_i / 2

NCHW: program (b, i) takes row and column i of the symmetric T, so e_i is complete in one program (each d is read
twice, the second time from cache). NHWC: a program takes a block of pixels and goes through the rows of the triangle,
adding T_ij z_i to e_j as a whole tile and the sum of T_ij z_j to e_i (each d is read once, in runs).
Sums over the batch are left as one row of partial sums a program, which the caller adds up in a fixed order.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from .device import ACTIVATION_CODES, activation_and_slope, pack, selected
from .launch import Launch, blocks, power_of_two
from .layout import strides
from .triangular import count


@triton.jit
def _copy_unselected(
    idx,
    dy,
    dx,
    first,
    C: tl.constexpr,
    HW: tl.constexpr,
    K: tl.constexpr,
    KP: tl.constexpr,
    CHANNEL: tl.constexpr,
    DY_PIXEL: tl.constexpr,
    DX_PIXEL: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_HW: tl.constexpr,
):
    c = first + tl.arange(0, BLOCK_C)
    slot = tl.arange(0, KP)
    taken = tl.load(idx + slot, mask=slot < K, other=-1).to(tl.int32)
    hits = tl.sum((c[:, None] == taken[None, :]).to(tl.int32), axis=1)
    wanted = ((c < C) & (hits == 0))[:, None]
    for start in range(0, HW, BLOCK_HW):
        o = (start + tl.arange(0, BLOCK_HW))[None, :]
        v = tl.load(dy + c[:, None] * CHANNEL + o * DY_PIXEL, mask=wanted & (o < HW))
        tl.store(dx + c[:, None] * CHANNEL + o * DX_PIXEL, v, mask=wanted & (o < HW))


@triton.jit
def _rows_nchw(
    x,
    idx,
    gate,
    alpha,
    weight,
    dy,
    dx,
    dgate,
    partial,
    x_batch,
    HW: tl.constexpr,
    C: tl.constexpr,
    K: tl.constexpr,
    P: tl.constexpr,
    ACTIVATION: tl.constexpr,
    ACC: tl.constexpr,
    KP: tl.constexpr,
    COPIES: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_HW: tl.constexpr,
):
    b = (tl.program_id(0) // (K + COPIES)).to(tl.int64)
    i = tl.program_id(0) % (K + COPIES)
    x += b * x_batch
    dy += b * ((C + P) * HW)
    dx += b * (C * HW)
    idx += b * K
    if i < K:
        partial += b * (2 * P + K)
        j = tl.arange(0, KP)
        other = (j < K) & (j != i)
        upper = (j < K) & (j > i)  # a pair's own sums are taken once, in its row
        p = pack(tl.minimum(i, j), tl.maximum(i, j), K)
        c_i, ok_i = selected(idx, i, i < K, C)
        c_j, ok_j = selected(idx, j, other, C)
        w = tl.load(weight + p, mask=other, other=0.0).to(ACC)
        g_i = 1.0
        if gate is not None:
            g_i = tl.load(gate + b * K + i).to(ACC)
            g_j = tl.load(gate + b * K + j, mask=other, other=0.0).to(ACC)
        al = 1.0
        if alpha is not None:
            al = tl.load(alpha).to(ACC)
        dw = tl.zeros((KP,), ACC)
        db = tl.zeros((KP,), ACC)
        ez = tl.zeros((BLOCK_HW,), ACC)
        ex = tl.zeros((BLOCK_HW,), ACC)
        for start in range(0, HW, BLOCK_HW):
            o = start + tl.arange(0, BLOCK_HW)
            mine = o < tl.where(ok_i, HW, 0)
            inside = (o < HW)[None, :]
            x_i = tl.load(x + c_i * HW + o, mask=mine, other=0.0).to(ACC)
            z_j = tl.load(x + c_j[:, None] * HW + o[None, :], mask=ok_j[:, None] & inside, other=0.0).to(ACC)
            d = tl.load(dy + (C + p)[:, None] * HW + o[None, :], mask=other[:, None] & inside, other=0.0).to(ACC)
            z_i = x_i
            if gate is not None:
                z_i = x_i * g_i
                z_j *= g_j[:, None]
            f, slope = activation_and_slope(al * z_i[None, :] * z_j, ACTIVATION)
            dw += tl.sum(d * f, axis=1)
            db += tl.sum(d, axis=1)
            e = tl.sum(d * w[:, None] * slope * z_j, axis=0)
            ez += e * z_i
            ex += e * x_i
            dz = e * al * g_i
            through = tl.load(dy + c_i * HW + o, mask=mine, other=0.0).to(ACC)
            tl.store(dx + c_i * HW + o, (through + dz).to(dx.dtype.element_ty), mask=mine)
        tl.store(partial + p, dw, mask=upper)
        tl.store(partial + P + p, db, mask=upper)
        tl.store(partial + 2 * P + i, tl.sum(ez, axis=0))
        if gate is not None:
            tl.store(dgate + b * K + i, tl.sum(ex, axis=0) * al)
    else:
        _copy_unselected(idx, dy, dx, (i - K) * BLOCK_C, C, HW, K, KP, HW, 1, 1, BLOCK_C, BLOCK_HW)


@triton.jit
def _pixels_nhwc(
    x,
    idx,
    gate,
    alpha,
    weight,
    dy,
    dx,
    dgate,
    partial,
    x_batch,
    X_PIXEL: tl.constexpr,
    HW: tl.constexpr,
    C: tl.constexpr,
    K: tl.constexpr,
    P: tl.constexpr,
    ACTIVATION: tl.constexpr,
    ACC: tl.constexpr,
    KP: tl.constexpr,
    TILES: tl.constexpr,
    COPIES: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    b = (tl.program_id(0) // (TILES + COPIES)).to(tl.int64)
    t = tl.program_id(0) % (TILES + COPIES)
    x += b * x_batch
    dy += b * ((C + P) * HW)
    dx += b * (C * HW)
    idx += b * K
    if t < TILES:
        partial += (b * TILES + t) * (2 * P + K)
        n = t * BLOCK_N + tl.arange(0, BLOCK_N)
        inside = (n < HW)[:, None]
        j = tl.arange(0, KP)
        c_j, ok_j = selected(idx, j, j < K, C)
        kept = ok_j[None, :] & inside
        x_j = tl.load(x + n[:, None] * X_PIXEL + c_j[None, :], mask=kept, other=0.0).to(ACC)
        z_j = x_j
        if gate is not None:
            g_j = tl.load(gate + b * K + j, mask=j < K, other=0.0).to(ACC)
            z_j = x_j * g_j[None, :]
        al = 1.0
        if alpha is not None:
            al = tl.load(alpha).to(ACC)
        e = tl.zeros((BLOCK_N, KP), ACC)
        for i in range(0, K - 1):
            upper = (j < K) & (j > i)
            p = pack(i, j, K)
            c_i, ok_i = selected(idx, i, i < K, C)
            z_i = tl.load(x + n * X_PIXEL + c_i, mask=n < tl.where(ok_i, HW, 0), other=0.0).to(ACC)
            if gate is not None:
                z_i *= tl.load(gate + b * K + i).to(ACC)
            w = tl.load(weight + p, mask=upper, other=0.0).to(ACC)
            at = dy + n[:, None] * (C + P) + (C + p)[None, :]
            d = tl.load(at, mask=upper[None, :] & inside, other=0.0).to(ACC)
            f, slope = activation_and_slope(al * z_i[:, None] * z_j, ACTIVATION)
            tl.store(partial + p, tl.sum(d * f, axis=0), mask=upper)
            tl.store(partial + P + p, tl.sum(d, axis=0), mask=upper)
            T = d * w[None, :] * slope
            e += T * z_i[:, None] + tl.where((j == i)[None, :], tl.sum(T * z_j, axis=1)[:, None], 0.0)
        tl.store(partial + 2 * P + j, tl.sum(e * z_j, axis=0), mask=j < K)
        dz = e * al
        if gate is not None:
            tl.store(dgate + (b * TILES + t) * K + j, tl.sum(dz * x_j, axis=0), mask=j < K)
            dz *= g_j[None, :]
        through = tl.load(dy + n[:, None] * (C + P) + c_j[None, :], mask=kept, other=0.0).to(ACC)
        tl.store(dx + n[:, None] * C + c_j[None, :], (through + dz).to(dx.dtype.element_ty), mask=kept)
    else:
        _copy_unselected(idx, dy, dx, (t - TILES) * BLOCK_C, C, HW, K, KP, 1, C + P, C, BLOCK_C, BLOCK_N)


def launch(
    dy_BCHW: Tensor,
    x_BCHW: Tensor,
    idx_BK: Tensor,
    gate_BK: Tensor | None,
    activation: str | None,
    alpha: Tensor | None,
    weight_P: Tensor,
    dx_BCHW: Tensor,
    acc: Any,
    *,
    pixels: int | None = None,
    num_warps: int | None = None,
) -> tuple[Launch, Tensor, Tensor | None]:
    """Fill dx, partial sums [programs, 2P+k] and partial dgate [B, tiles, k] (None without a gate).

    Added up over programs the partial sums are dw ++ db ++ the k sums of e_i z_i, whose half is dalpha.

    dy and dx are dense in the same layout, NCHW or NHWC; x has that layout inside a sample (any batch or pixel stride).
    """
    B, C, H, W = x_BCHW.shape
    K, HW = idx_BK.shape[1], H * W
    P, KP = count(K), power_of_two(K)
    assert dx_BCHW.shape == x_BCHW.shape
    assert dy_BCHW.shape == (B, C + P, H, W)
    nchw = dx_BCHW.is_contiguous() and dy_BCHW.is_contiguous()
    assert nchw or dx_BCHW.is_contiguous(memory_format=torch.channels_last)
    pixels = pixels or min(power_of_two(HW), max(16, 2048 // KP))
    tiles = 1 if nchw else blocks(HW, pixels)
    wide = torch.promote_types(x_BCHW.dtype, torch.float32)
    partial = torch.empty(B * tiles, 2 * P + K, dtype=wide, device=x_BCHW.device)
    dgate = None if gate_BK is None else torch.empty(B, tiles, K, dtype=wide, device=x_BCHW.device)
    block_c = 8 if nchw else min(64, power_of_two(C))
    copies = blocks(C, block_c)
    args: dict[str, Any] = {"x": x_BCHW, "idx": idx_BK, "gate": gate_BK, "alpha": None if activation is None else alpha}
    args |= {"weight": weight_P, "dy": dy_BCHW, "dx": dx_BCHW, "dgate": dgate, "partial": partial}
    args |= {"x_batch": strides(x_BCHW)[0], "HW": HW, "C": C, "K": K, "P": P}
    args |= {"ACTIVATION": ACTIVATION_CODES[activation], "ACC": acc, "KP": KP, "COPIES": copies, "BLOCK_C": block_c}
    if nchw:
        args |= {"BLOCK_HW": pixels}
        return Launch(_rows_nchw, B * (K + copies), args, num_warps or 4), partial, dgate
    args |= {"X_PIXEL": strides(x_BCHW)[2], "TILES": tiles, "BLOCK_N": pixels}
    return Launch(_pixels_nhwc, B * (tiles + copies), args, num_warps or 8), partial, dgate
