"""The adaptive cross-Hadamard expansion in plain PyTorch: the definition every kernel beside it is held against.

    z_s = gate_s * x[S_s]                          selection, eqs. 8-10
    y   = x ++ { f(alpha z_i z_j) w_p + b_p }      products (eq. 2), normalised (eq. 11), concatenated (eq. 10)

Shape suffixes: B samples, C channels, K = k selected channels, P = k(k-1)/2 pairs, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "softsign": lambda u: u / (1 + u.abs()),  # DySoft
    "sigmoid": torch.sigmoid,  # DySig
    "algebraic": lambda u: u * torch.rsqrt(1 + u * u),  # DyAlge
}
"""The three activations of Table 1. Without one only the affine map w_p, b_p is applied, and alpha is not used.

A new one stands here, in `_WITH_SLOPE`, in `kernels.device` and in `hadaptive.nn.norms`.
"""


def _softsign(u: Tensor) -> tuple[Tensor, Tensor]:
    r = 1 / (1 + u.abs())
    return u * r, r * r


def _sigmoid(u: Tensor) -> tuple[Tensor, Tensor]:
    f = torch.sigmoid(u)
    return f, f * (1 - f)


def _algebraic(u: Tensor) -> tuple[Tensor, Tensor]:
    r = torch.rsqrt(1 + u * u)
    return u * r, r * r * r


_WITH_SLOPE: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {
    "softsign": _softsign,
    "sigmoid": _sigmoid,
    "algebraic": _algebraic,
}


def pairs(k: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Return both channel indices of every pair i < j, row by row: pair p = i(2k-i-1)/2 + (j-i-1) (section 4.2).

    Returns two int64 tensors of k(k-1)/2 elements. Raises ValueError for k < 2, which has no pair.
    """
    if k < 2:
        raise ValueError(f"k={k}: a cross-Hadamard product needs at least two channels; choose k >= 2")
    if torch.compiler.is_exporting():  # as literals they become constants of the graph, not operators in it
        rows = [(i, j) for i in range(k) for j in range(i + 1, k)]
        return torch.tensor([i for i, _ in rows], device=device), torch.tensor([j for _, j in rows], device=device)
    i, j = torch.triu_indices(k, k, offset=1, device=device)
    return i, j


def cross_hadamard(z_BKHW: Tensor) -> Tensor:
    """Return all products of two different channels: [B, k, ...] -> [B, k(k-1)/2, ...], pairs row by row (eq. 2)."""
    i, j = pairs(z_BKHW.shape[1], z_BKHW.device)
    return z_BKHW.index_select(1, i) * z_BKHW.index_select(1, j)


def partners(k: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """For slot i = 0 .. k-1 in turn, its k-1 pairs and who the other channel of each is: (pair number, partner).

    Two int64 tensors of k(k-1) elements: row and column i of the triangle, in one run.
    """
    i = torch.arange(k, device=device)[:, None]
    j = torch.arange(k - 1, device=device)[None, :]
    j = j + (j >= i)
    low, high = torch.minimum(i, j), torch.maximum(i, j)
    return (low * (2 * k - 1 - low) // 2 + high - low - 1).flatten(), j.flatten()


def cross_hadamard_backward(dq_BPHW: Tensor, z_BKHW: Tensor, table: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """dz_i = sum over j != i of dq_ij z_j: [B, P, H, W], [B, k, H, W] -> [B, k, H, W].

    Gathers and sums, no scatter, so the same input gives the same bits on every device. `table` is partners(k).
    """
    K = z_BKHW.shape[1]
    pair, partner = partners(K, z_BKHW.device) if table is None else table
    terms = dq_BPHW.index_select(1, pair) * z_BKHW.index_select(1, partner)
    dz_BKHW: Tensor = terms.unflatten(1, (K, K - 1)).sum(2)
    return dz_BKHW


def select(x_BCHW: Tensor, idx_BK: Tensor, gate_BK: Tensor | None = None) -> Tensor:
    """Return the selected channels of each sample, [B, k, H, W], times the gate where there is one (eqs. 8-10)."""
    B, _, H, W = x_BCHW.shape
    z_BKHW = x_BCHW.gather(1, idx_BK.long()[:, :, None, None].expand(B, idx_BK.shape[1], H, W))
    return z_BKHW if gate_BK is None else z_BKHW * gate_BK.to(z_BKHW.dtype)[:, :, None, None]


def normalise(
    product_BPHW: Tensor, activation: str | None, alpha: Tensor | None, weight_P: Tensor, bias_P: Tensor
) -> Tensor:
    """DySoft and its two sisters: f(alpha q) w_p + b_p (eq. 11); without an activation q w_p + b_p."""
    if activation is not None:
        assert alpha is not None
        product_BPHW = ACTIVATIONS[activation](product_BPHW * alpha)
    return product_BPHW * weight_P.view(1, -1, 1, 1) + bias_P.view(1, -1, 1, 1)


def activation_and_slope(u: Tensor, activation: str) -> tuple[Tensor, Tensor]:
    """(f(u), f'(u)) of one of `ACTIVATIONS`."""
    return _WITH_SLOPE[activation](u)


def expand(
    x_BCHW: Tensor,
    idx_BK: Tensor,
    gate_BK: Tensor | None,
    activation: str | None,
    alpha: Tensor | None,
    weight_P: Tensor,
    bias_P: Tensor,
) -> Tensor:
    """Return the whole expansion, [B, C, H, W] -> [B, C+P, H, W]; see `kernels.expand` for the arguments."""
    product_BPHW = cross_hadamard(select(x_BCHW, idx_BK, gate_BK))
    normed_BPHW = normalise(product_BPHW, activation, alpha, weight_P, bias_P)
    return torch.cat([x_BCHW, normed_BPHW.to(x_BCHW.dtype)], dim=1)


def topk_scores(x_BCHW: Tensor, eca_weight: Tensor, k: int, noise_BC: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Score channels by ECA (eq. 3: global mean, then a 1-D convolution over channels); also return the k highest.

    Ranks scores + noise where there is noise (eq. 4). Returns (scores_BC without noise, idx_BK int64 by falling rank).
    Ties go to the lower channel; NaN ranks highest, as in torch.topk, so that the indices are always valid.
    """
    acc = torch.promote_types(x_BCHW.dtype, torch.float32)
    mean_BC = x_BCHW.mean(dim=(2, 3), dtype=acc)
    kernel = eca_weight.to(acc).view(1, 1, -1)
    scores_BC = F.conv1d(mean_BC[:, None], kernel, padding=kernel.shape[-1] // 2)[:, 0]
    ranked_BC = scores_BC if noise_BC is None else scores_BC + noise_BC
    if torch.compiler.is_exporting():  # ONNX has no stable sort; its TopK gives ties to the lower channel too
        return scores_BC, ranked_BC.detach().topk(k, dim=1).indices
    order_BC = ranked_BC.detach().argsort(dim=1, descending=True, stable=True)
    return scores_BC, order_BC[:, :k]
