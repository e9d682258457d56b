"""What normalises the products of an ACH layer (section 3.3), by name in NORMS."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kernels.reference import pairs


class DynamicCurve(nn.Module):
    """y = curve(alpha x) w + b: alpha one scalar a layer (starts at 0.5), w (1) and b (0) one a channel (eq. 11).

    [B, P, ...] -> the same shape, dtype and memory format; computed in at least the parameters' precision.
    """

    name: str  # of the curve in `kernels.expand`, which then computes it with the products

    def __init__(self, num_features: int, alpha: float = 0.5) -> None:
        super().__init__()
        self.num_features = num_features
        self.alpha = nn.Parameter(torch.tensor([alpha]))
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))

    def curve(self, u: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        per_channel = (-1,) + (1,) * (x.ndim - 2)
        y = torch.addcmul(self.bias.view(per_channel), self.curve(self.alpha * x), self.weight.view(per_channel))
        return y.to(x.dtype)

    def extra_repr(self) -> str:
        return str(self.num_features)


class DySoft(DynamicCurve):
    """Dynamic softsign, u / (1 + |u|): the paper's normaliser (eq. 11)."""

    name = "softsign"

    def curve(self, u: Tensor) -> Tensor:
        return F.softsign(u)


class DySig(DynamicCurve):
    """Dynamic sigmoid, 1 / (1 + exp(-u)) (Table 1)."""

    name = "sigmoid"

    def curve(self, u: Tensor) -> Tensor:
        return u.sigmoid()


class DyAlge(DynamicCurve):
    """Dynamic algebraic sigmoid, u / sqrt(1 + u^2) (Table 1)."""

    name = "algebraic"

    def curve(self, u: Tensor) -> Tensor:
        return u * (1 + u.square()).rsqrt()


def product_moments(mean_i: Tensor, mean_j: Tensor, var_i: Tensor, var_j: Tensor, cov: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of the product of two jointly normal variables (first version, eqs. 9 and 10).

    E = m_i m_j + c and Var = m_i^2 v_j + m_j^2 v_i + v_i v_j + 2 m_i m_j c + c^2, elementwise.
    """
    mean = mean_i * mean_j + cov
    var = mean_i.square() * var_j + mean_j.square() * var_i + var_i * var_j + 2 * mean_i * mean_j * cov + cov.square()
    return mean, var


class CrossHadaNorm(nn.Module):
    """The first version's normaliser: each product by the mean and variance that two jointly normal channels imply.

    A channel that leaves batch norm has mean beta and variance gamma^2, so the moments of a product (v1, eqs. 9-11)
    follow from the affine parameters of the two channels this sample selected and from their covariance, which is
    learned: y = (z_i z_j - E) / sqrt(Var + eps) w + b.

    The covariance (starts at 0) is one a product, as w and b are, so it belongs to a pair of selection ranks and not of
    channels. A table over channel pairs would be truer to its name, but a pair seldom selected would seldom learn, and
    C(C-1)/2 more parameters a layer fit the first version's published counts worse (its Hadaptive-Net-S has 2.13 M). It
    is kept within +-sqrt(v_i v_j) (Cauchy-Schwarz), outside of which the variance formula can go negative.
    """

    def __init__(self, k: int, eps: float = 1e-5) -> None:
        super().__init__()
        num_features = k * (k - 1) // 2
        self.k = k
        self.eps = eps
        self.covariance = nn.Parameter(torch.zeros(num_features))
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))

    def forward(self, x_BPHW: Tensor, mean_Bk: Tensor, std_Bk: Tensor) -> Tensor:
        """Products [B, P, ...] of selected channels with these means and standard deviations -> the same shape."""
        i, j = pairs(self.k, mean_Bk.device)
        var_Bk = std_Bk.square()
        bound_BP = std_Bk[:, i].abs() * std_Bk[:, j].abs()
        cov_BP = torch.minimum(torch.maximum(self.covariance, -bound_BP), bound_BP)
        mean_BP, var_BP = product_moments(mean_Bk[:, i], mean_Bk[:, j], var_Bk[:, i], var_Bk[:, j], cov_BP)
        scale_BP = self.weight * (var_BP + self.eps).rsqrt()
        shift_BP = self.bias - mean_BP * scale_BP
        per_channel = (*scale_BP.shape,) + (1,) * (x_BPHW.ndim - 2)
        return torch.addcmul(shift_BP.view(per_channel), x_BPHW, scale_BP.view(per_channel)).to(x_BPHW.dtype)

    def extra_repr(self) -> str:
        return f"{self.covariance.numel()}, eps={self.eps}"


def _num_products(k: int) -> int:
    return k * (k - 1) // 2


DYNAMIC: tuple[type[DynamicCurve], ...] = (DySoft, DySig, DyAlge)

# Normaliser -> the name of its curve in `kernels.expand`.
CURVES: dict[type[nn.Module], str] = {norm: norm.name for norm in DYNAMIC}


def _dynamic(norm: type[DynamicCurve]) -> Callable[[int], nn.Module]:
    return lambda k: norm(_num_products(k))


# Name -> module for the k(k-1)/2 products of k channels. CrossHadaNorm alone also takes the selected channels' moments.
NORMS: dict[str, Callable[[int], nn.Module]] = {
    **{norm.__name__.lower(): _dynamic(norm) for norm in DYNAMIC},
    "batchnorm": lambda k: nn.BatchNorm2d(_num_products(k)),
    "crosshada": CrossHadaNorm,
    "none": lambda k: nn.Identity(),
}
