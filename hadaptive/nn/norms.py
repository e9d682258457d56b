"""What normalises the products of an ACH layer (section 3.3), by name in NORMS."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kernels.reference import pairs
from kernels.triangular import count


class DynamicActivation(nn.Module):
    """y = f(alpha x) w + b, f the activation: alpha (starts at 0.5) one per layer, w (1), b (0) per channel (eq. 11).

    [B, P, ...] -> the same shape, dtype and memory format; computed in at least the parameters' precision.
    """

    name: str  # in NORMS, and so in params.yaml
    kernel: str  # the activation's name in `kernels.expand`, which then computes it together with the products

    def __init__(self, num_features: int, alpha: float = 0.5, weight: float = 1.0) -> None:
        super().__init__()
        self.num_features = num_features
        self.alpha = nn.Parameter(torch.tensor([alpha]))
        self.weight = nn.Parameter(torch.full((num_features,), weight))
        self.bias = nn.Parameter(torch.zeros(num_features))

    def activation(self, u: Tensor) -> Tensor:
        raise NotImplementedError

    def kernel_bias(self) -> Tensor:
        """Return the bias with which `kernels.expand` computes the same function."""
        return self.bias

    def forward(self, x: Tensor) -> Tensor:
        per_channel = (-1,) + (1,) * (x.ndim - 2)
        y = torch.addcmul(self.bias.view(per_channel), self.activation(self.alpha * x), self.weight.view(per_channel))
        return y.to(x.dtype)

    def extra_repr(self) -> str:
        return str(self.num_features)


class DySoft(DynamicActivation):
    """Dynamic softsign, u / (1 + |u|): the paper's normalizer (eq. 11)."""

    name, kernel = "dysoft", "softsign"

    def activation(self, u: Tensor) -> Tensor:
        return F.softsign(u)


class DynamicSigmoid(DynamicActivation):
    """Dynamic sigmoid, 1 / (1 + exp(-u)), as Table 1 prints it, started like the other two activations."""

    name, kernel = "sigmoid", "sigmoid"

    def activation(self, u: Tensor) -> Tensor:
        return u.sigmoid()


class DySig(DynamicActivation):
    """The authors' dynamic sigmoid, w (sigmoid(alpha x) - 0.5) + b with alpha 0.35 and w 2 at the start (Table 1).

    The same functions as DynamicSigmoid can become; this one starts odd, with 0.35 x / 2 near zero.
    """

    name, kernel = "dysig", "sigmoid"

    def __init__(self, num_features: int) -> None:
        super().__init__(num_features, alpha=0.35, weight=2.0)

    def activation(self, u: Tensor) -> Tensor:
        return u.sigmoid() - 0.5

    def kernel_bias(self) -> Tensor:
        return self.bias - 0.5 * self.weight


class DyAlge(DynamicActivation):
    """Dynamic algebraic sigmoid, u / sqrt(1 + u^2) (Table 1)."""

    name, kernel = "dyalge", "algebraic"

    def activation(self, u: Tensor) -> Tensor:
        return u * (1 + u.square()).rsqrt()


def product_moments(
    mean_i: Tensor, mean_j: Tensor, var_i: Tensor, var_j: Tensor, cov: Tensor, mixed: float = 2.0
) -> tuple[Tensor, Tensor]:
    """Return the mean and variance of the product of two jointly normal variables (first version, eqs. 9 and 10).

    E = m_i m_j + c and Var = m_i^2 v_j + m_j^2 v_i + v_i v_j + mixed m_i m_j c + c^2, elementwise, with `mixed` 2.
    """
    product = mean_i * mean_j
    var = mean_i.square() * var_j + mean_j.square() * var_i + var_i * var_j + mixed * product * cov + cov.square()
    return product + cov, var


class CrossHadaNorm(nn.Module):
    """The first version's normalizer as its authors had it: products of normalised channels, statistics of batch norm.

    With the running mean m and variance v of the batch norm of the two channels that a product joins (v1, eqs. 9-11),

        y = (z_i z_j - (m_i m_j + c)) / sqrt(v_i v_j + v_i m_j^2 + m_i^2 v_j + mixed c m_i m_j + c^2 + eps)

    where c, the covariance (one per product, starts at 0), is the only parameter. These statistics are of the channels
    before batch norm, while z is after it: the first version says itself that this deviates from its theory. For
    jointly normal channels `mixed` is +2; the released code has -2. The covariance is free, so with a covariance that
    no two channels can have the root is of a negative number and the output NaN, as in that code.
    """

    def __init__(self, k: int, mixed: float = -2.0, eps: float = 1e-5) -> None:
        super().__init__()
        self.k = k
        self.mixed = mixed
        self.eps = eps
        self.covariance = nn.Parameter(torch.zeros(count(k)))

    def forward(self, x_BPHW: Tensor, mean_Bk: Tensor, var_Bk: Tensor) -> Tensor:
        """Products [B, P, ...] of selected channels with these running statistics [B, k] -> the same shape."""
        i, j = pairs(self.k, mean_Bk.device)
        moments = product_moments(mean_Bk[:, i], mean_Bk[:, j], var_Bk[:, i], var_Bk[:, j], self.covariance, self.mixed)
        return _standardised(x_BPHW, *moments, self.eps)

    def extra_repr(self) -> str:
        return f"{self.covariance.numel()}, mixed={self.mixed:+}, eps={self.eps}"


class AffineCrossHadaNorm(nn.Module):
    """CrossHadaNorm with the moments that normalised channels really have: mean beta and variance gamma^2.

    Another reading of the first version, not its authors': a channel that leaves batch norm has the moments of that
    layer's affine map, so for jointly normal channels y = (z_i z_j - E) / sqrt(Var + eps) w + b is standardised.

    The covariance (starts at 0) is one per product, like w and b, so it belongs to a pair of selection ranks and not of
    channels. It is kept within +-sqrt(v_i v_j) (Cauchy-Schwarz), outside of which the variance formula can go negative.
    """

    def __init__(self, k: int, eps: float = 1e-5) -> None:
        super().__init__()
        num_features = count(k)
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
        moments = product_moments(mean_Bk[:, i], mean_Bk[:, j], var_Bk[:, i], var_Bk[:, j], cov_BP)
        return _standardised(x_BPHW, *moments, self.eps, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.covariance.numel()}, eps={self.eps}"


def _standardised(
    x_BPHW: Tensor,
    mean_BP: Tensor,
    var_BP: Tensor,
    eps: float,
    weight_P: Tensor | None = None,
    bias_P: Tensor | None = None,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) w + b as one multiply-add per pixel; memory format and dtype kept."""
    scale_BP = (var_BP + eps).rsqrt()
    scale_BP = scale_BP if weight_P is None else weight_P * scale_BP
    shift_BP = -mean_BP * scale_BP if bias_P is None else bias_P - mean_BP * scale_BP
    per_channel = (*scale_BP.shape,) + (1,) * (x_BPHW.ndim - 2)
    return torch.addcmul(shift_BP.view(per_channel), x_BPHW, scale_BP.view(per_channel)).to(x_BPHW.dtype)


DYNAMIC: tuple[type[DynamicActivation], ...] = (DySoft, DySig, DynamicSigmoid, DyAlge)


def _dynamic(norm: type[DynamicActivation]) -> Callable[[int], nn.Module]:
    return lambda k: norm(count(k))


# Name -> module for the k(k-1)/2 products of k channels. Those of CrossHadaNorm also take the channels' moments.
NORMS: dict[str, Callable[[int], nn.Module]] = {
    **{norm.name: _dynamic(norm) for norm in DYNAMIC},
    "batchnorm": lambda k: nn.BatchNorm2d(count(k)),
    "crosshada": CrossHadaNorm,
    "crosshada_corrected": lambda k: CrossHadaNorm(k, mixed=2.0),
    "crosshada_affine": AffineCrossHadaNorm,
    "none": lambda k: nn.Identity(),
}
