"""What the Triton kernels share: the triangular index, the activations and their slopes. Imports triton."""

from __future__ import annotations

import triton
import triton.language as tl

# One kernel serves every activation: the choice is a compile-time constant.
AFFINE = tl.constexpr(0)
SOFTSIGN = tl.constexpr(1)
SIGMOID = tl.constexpr(2)
ALGEBRAIC = tl.constexpr(3)
ACTIVATION_CODES: dict[str | None, int] = {
    None: AFFINE.value,
    "softsign": SOFTSIGN.value,
    "sigmoid": SIGMOID.value,
    "algebraic": ALGEBRAIC.value,
}


@triton.jit
def pack(i, j, K: tl.constexpr):
    """triangular.pack: the number of the pair i < j."""
    return ((i * (2 * K - 1 - i)) >> 1) + j - i - 1


@triton.jit
def unpack(p, K: tl.constexpr):
    """triangular.unpack; numbers past the last pair give channels past the last, to be masked."""
    M: tl.constexpr = 2 * K - 1
    root = tl.sqrt(tl.maximum(M * M - 4 - 8 * p, 0).to(tl.float32))
    i = ((M - root) * 0.5).to(tl.int32)
    return i, p - ((i * (M - i)) >> 1) + i + 1


@triton.jit
def activation(u, ACTIVATION: tl.constexpr):
    """f(u) of eq. 11 and Table 1."""
    if ACTIVATION == SOFTSIGN:
        return u / (1.0 + tl.abs(u))
    elif ACTIVATION == SIGMOID:
        return 1.0 / (1.0 + tl.exp(-u))
    elif ACTIVATION == ALGEBRAIC:
        return u / tl.sqrt(1.0 + u * u)
    else:
        tl.static_assert(ACTIVATION == AFFINE, "no such activation")
        return u


@triton.jit
def activation_and_slope(u, ACTIVATION: tl.constexpr):
    """(f(u), f'(u))."""
    if ACTIVATION == SOFTSIGN:
        r = 1.0 / (1.0 + tl.abs(u))
        return u * r, r * r
    elif ACTIVATION == SIGMOID:
        f = 1.0 / (1.0 + tl.exp(-u))
        return f, f * (1.0 - f)
    elif ACTIVATION == ALGEBRAIC:
        r = 1.0 / tl.sqrt(1.0 + u * u)
        return u * r, r * r * r
    else:
        tl.static_assert(ACTIVATION == AFFINE, "no such activation")
        return u, u * 0.0 + 1.0


@triton.jit
def selected(idx, slot, mask, C: tl.constexpr):
    """(channel, in range) of a slot of the selection. An index outside [0, C) is never followed: its load yields
    `other`, NaN in the forward kernels, so a bad index shows without a synchronisation and reads nothing foreign."""
    c = tl.load(idx + slot, mask=mask, other=0).to(tl.int32)
    return c, mask & (c >= 0) & (c < C)
