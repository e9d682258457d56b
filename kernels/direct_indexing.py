"""Direct-Indexing (section 4.2): one program, one Hadamard product. Defined by reference.cross_hadamard of
reference.select. Imports triton.

    program (b, p):  (i, j) = unpack(p)                      the closed form, made robust (triangular.py)
                     q[b, p] = x[b, S_bi] x[b, S_bj]         eq. 2

As in the paper the kernel selects and multiplies; normalisation and concatenation follow as ordinary operators.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl
from torch import Tensor

from .device import selected, unpack
from .launch import Launch, power_of_two
from .layout import strides
from .triangular import count


@triton.jit
def _direct_indexing(
    x,
    idx,
    q,
    x_batch,
    HW: tl.constexpr,
    C: tl.constexpr,
    K: tl.constexpr,
    P: tl.constexpr,
    ACC: tl.constexpr,
    BLOCK: tl.constexpr,
):
    b = (tl.program_id(0) // P).to(tl.int64)
    p = tl.program_id(0) % P
    i, j = unpack(p, K)
    ci, ok_i = selected(idx + b * K, i, i < K, C)
    cj, ok_j = selected(idx + b * K, j, j < K, C)
    x += b * x_batch
    q += b * (P * HW) + p * HW
    for start in range(0, HW, BLOCK):
        o = start + tl.arange(0, BLOCK)
        inside = o < HW
        zi = tl.load(x + ci * HW + o, mask=o < tl.where(ok_i, HW, 0), other=float("nan")).to(ACC)
        zj = tl.load(x + cj * HW + o, mask=o < tl.where(ok_j, HW, 0), other=float("nan")).to(ACC)
        tl.store(q + o, (zi * zj).to(q.dtype.element_ty), mask=inside)


def launch(x_BCHW: Tensor, idx_BK: Tensor, q_BPHW: Tensor, acc: Any) -> Launch:
    """x with dense [C, H, W] (any batch stride), idx dense; fills q_BPHW, contiguous, with the products."""
    B, C, H, W = x_BCHW.shape
    K = idx_BK.shape[1]
    block = min(1024, power_of_two(H * W))
    args: dict[str, Any] = {"x": x_BCHW, "idx": idx_BK, "q": q_BPHW, "x_batch": strides(x_BCHW)[0]}
    args |= {"HW": H * W, "C": C, "K": K, "P": count(K), "ACC": acc, "BLOCK": block}
    return Launch(_direct_indexing, B * count(K), args, num_warps=max(1, min(4, block // 128)))
