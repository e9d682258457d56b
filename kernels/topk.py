"""Channel scores and the k highest channels of each sample in one kernel. Defined by reference.topk_scores.
Imports triton.

    score_c = sum over t of W_t mean(x[b, c + t - R])                               eq. 3, R = taps // 2
    rank_c  = #{c' : s_c' > s_c, or s_c' = s_c and c' < c},  s = score + noise      eq. 4
    S[b, rank_c] = c  where rank_c < k                                              eq. 5

One program a sample: counting ranks needs no sort and no synchronisation, and its ranks are a permutation, so every
slot of S is written. NaN counts as infinity, or its rank would be nobody's.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl
from torch import Tensor

from .launch import Launch, power_of_two
from .layout import strides


@triton.jit
def _topk(
    x,
    eca,
    noise,
    idx,
    scores,
    x_batch,
    x_channel,
    x_pixel,
    HW: tl.constexpr,
    C: tl.constexpr,
    K: tl.constexpr,
    TAPS: tl.constexpr,
    ACC: tl.constexpr,
    CP: tl.constexpr,
    BLOCK_HW: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    b = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, CP)
    real = c < C
    total = tl.zeros((CP,), ACC)
    for start in range(0, HW, BLOCK_HW):
        o = (start + tl.arange(0, BLOCK_HW))[None, :]
        at = x + b * x_batch + c[:, None] * x_channel + o * x_pixel
        total += tl.sum(tl.load(at, mask=real[:, None] & (o < HW), other=0.0).to(ACC), axis=1)
    mean = total / HW
    s = tl.zeros((CP,), ACC)
    for t in tl.static_range(TAPS):
        source = c + (t - TAPS // 2)
        v = tl.gather(mean, tl.minimum(tl.maximum(source, 0), CP - 1), axis=0)
        s += tl.where((source >= 0) & (source < C), v, 0.0) * tl.load(eca + t).to(ACC)
    tl.store(scores + b * C + c, s, mask=real)
    if noise is not None:
        s += tl.load(noise + b * C + c, mask=real, other=0.0).to(ACC)
    s = tl.where(s != s, float("inf"), s)
    s = tl.where(real, s, float("-inf"))
    rank = tl.zeros((CP,), tl.int32)
    for start in range(0, CP, BLOCK_C):  # in blocks: the whole [CP, CP] comparison spills
        c2 = start + tl.arange(0, BLOCK_C)
        s2 = tl.gather(s, c2, axis=0)[None, :]
        before = (s2 > s[:, None]) | ((s2 == s[:, None]) & (c2[None, :] < c[:, None]))
        rank += tl.sum(before.to(tl.int32), axis=1)
    tl.store(idx + b * K + rank, c.to(idx.dtype.element_ty), mask=real & (rank < K))


def launch(
    x_BCHW: Tensor, eca_weight: Tensor, noise_BC: Tensor | None, idx_BK: Tensor, scores_BC: Tensor, acc: Any
) -> Launch:
    """Fills idx [B, k] and scores [B, C], both dense. Any strides of x whose pixels are evenly spaced."""
    B, C, H, W = x_BCHW.shape
    CP = power_of_two(C)
    x_batch, x_channel, x_pixel = strides(x_BCHW)
    args: dict[str, Any] = {"x": x_BCHW, "eca": eca_weight, "noise": noise_BC, "idx": idx_BK, "scores": scores_BC}
    args |= {"x_batch": x_batch, "x_channel": x_channel, "x_pixel": x_pixel}
    args |= {"HW": H * W, "C": C, "K": idx_BK.shape[1], "TAPS": eca_weight.numel(), "ACC": acc}
    args |= {"CP": CP, "BLOCK_HW": min(power_of_two(H * W), 32), "BLOCK_C": min(CP, 16)}
    return Launch(_topk, B, args, num_warps=8)
