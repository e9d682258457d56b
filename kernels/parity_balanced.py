"""Parity-Balanced (section 4.2, Algorithm 2): one program a selected channel, every program the same work. Defined by
reference.cross_hadamard of reference.select. Imports triton.

    program (b, id):  it = id-2, id-4, ... >= 0   does the pair (it, id)      id - it even
                      it = id+1, id+3, ... < k    does the pair (id, it)      it - id odd
                      q[b, pack(i, j)] = x[b, S_bi] x[b, S_bj]                eq. 2

Algorithm 2 lets `it` run over all k channels and skips half of them; the loop here visits only those it keeps
(triangular.parity_partners). The channel `id` itself is loaded once and stays in registers: the scheme's point.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl
from torch import Tensor

from .device import pack, selected
from .launch import Launch, blocks, power_of_two
from .layout import strides
from .triangular import count


@triton.jit
def _parity_balanced(
    x,
    idx,
    q,
    x_batch,
    HW: tl.constexpr,
    C: tl.constexpr,
    K: tl.constexpr,
    P: tl.constexpr,
    ACC: tl.constexpr,
    TILES: tl.constexpr,
    BLOCK: tl.constexpr,
):
    b = (tl.program_id(0) // (K * TILES)).to(tl.int64)
    me = (tl.program_id(0) // TILES) % K
    o = (tl.program_id(0) % TILES) * BLOCK + tl.arange(0, BLOCK)
    x += b * x_batch
    q += b * (P * HW)
    c, ok = selected(idx + b * K, me, me < K, C)
    z = tl.load(x + c * HW + o, mask=o < tl.where(ok, HW, 0), other=float("nan")).to(ACC)
    # The partners in order: me%2, me%2+2, ..., me-2, then me+1, me+3, ...: me//2 of the first kind.
    below = me // 2
    for t in range(0, K // 2):
        it = tl.where(t < below, me % 2 + 2 * t, me + 1 + 2 * (t - below))
        live = it < K
        ci, ok = selected(idx + b * K, it, live, C)
        zi = tl.load(x + ci * HW + o, mask=o < tl.where(ok, HW, 0), other=float("nan")).to(ACC)
        p = pack(tl.minimum(it, me), tl.maximum(it, me), K)
        tl.store(q + p * HW + o, (z * zi).to(q.dtype.element_ty), mask=o < tl.where(live, HW, 0))


def launch(x_BCHW: Tensor, idx_BK: Tensor, q_BPHW: Tensor, acc: Any) -> Launch:
    """x with dense [C, H, W] (any batch stride), idx dense; fills q_BPHW, contiguous, with the products."""
    B, C, H, W = x_BCHW.shape
    K = idx_BK.shape[1]
    block = min(1024, power_of_two(H * W))
    tiles = blocks(H * W, block)
    args: dict[str, Any] = {"x": x_BCHW, "idx": idx_BK, "q": q_BPHW, "x_batch": strides(x_BCHW)[0]}
    args |= {"HW": H * W, "C": C, "K": K, "P": count(K), "ACC": acc, "TILES": tiles, "BLOCK": block}
    return Launch(_parity_balanced, B * K * tiles, args, num_warps=max(1, min(4, block // 128)))
