"""Normalisers of the products against their formulas, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from hadaptive.nn.norms import NORMS, CrossHadaNorm, DyAlge, DySig, DySoft, product_moments

CURVES = {
    DySoft: lambda u: u / (1 + np.abs(u)),
    DySig: lambda u: 1 / (1 + np.exp(-u)),
    DyAlge: lambda u: u / np.sqrt(1 + u**2),
}


@pytest.mark.parametrize("norm", CURVES)
def test_dynamic_curve_is_equation_11(norm: type[DySoft]) -> None:
    layer = norm(6).double()
    assert layer.alpha.item() == 0.5
    assert (layer.weight == 1).all()
    assert (layer.bias == 0).all()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 6, 3, 5, dtype=torch.float64) * 4
    w, b = (p.detach().numpy()[:, None, None] for p in (layer.weight, layer.bias))
    expected = CURVES[norm](layer.alpha.item() * x.numpy()) * w + b
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-13)


@pytest.mark.parametrize("norm", CURVES)
def test_dynamic_curve_gradients(norm: type[DySoft]) -> None:
    layer = norm(3).double()
    torch.nn.init.normal_(layer.weight)
    x = torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    names = dict(layer.named_parameters())
    assert torch.autograd.gradcheck(
        lambda x, *p: torch.func.functional_call(layer, dict(zip(names, p, strict=True)), x), (x, *names.values())
    )


@pytest.mark.parametrize("norm", CURVES)
def test_dynamic_curve_keeps_dtype_and_memory_format(norm: type[DySoft]) -> None:
    x = torch.randn(2, 8, 4, 4).to(torch.bfloat16, memory_format=torch.channels_last)
    y = norm(8)(x)
    assert y.dtype == torch.bfloat16
    assert y.is_contiguous(memory_format=torch.channels_last)


@given(st.floats(-1e30, 1e30))
def test_dysoft_is_bounded(value: float) -> None:
    assert DySoft(1).double()(torch.tensor([[value]], dtype=torch.float64)).abs().item() <= 1


def test_product_moments_by_monte_carlo() -> None:
    mean, covariance = np.array([0.7, -1.2]), np.array([[1.5, -0.8], [-0.8, 0.9]])
    z = np.random.default_rng(0).multivariate_normal(mean, covariance, size=1_000_000)
    product = z[:, 0] * z[:, 1]
    expected_mean, expected_var = product_moments(
        *(torch.tensor(v, dtype=torch.float64) for v in (0.7, -1.2, 1.5, 0.9, -0.8))
    )
    assert abs(product.mean() - expected_mean.item()) < 5 * product.std() / 1000
    assert product.var() == pytest.approx(expected_var.item(), rel=0.02)


def test_crosshada_standardises_joint_normals_per_sample() -> None:
    """Two samples select different channels, so the same product is normalised by different moments."""
    mean_Bk = torch.tensor([[0.5, -1.0, 2.0], [2.0, 0.0, -0.3]], dtype=torch.float64)
    std_Bk = torch.tensor([[1.0, 2.0, 0.5], [0.3, -1.5, 1.0]], dtype=torch.float64)  # a gamma may be negative
    norm = CrossHadaNorm(3).double()
    torch.nn.init.constant_(norm.covariance, 0.1)
    z = torch.randn(2, 3, 400_000, dtype=torch.float64)
    # A one-factor construction with covariance 0.1 between every pair: sigma^2 = a^2 + (rest)^2 with a = sqrt(0.1).
    common = torch.randn(2, 1, 400_000, dtype=torch.float64) * 0.1**0.5
    var = std_Bk.square()
    keep = var > 0.1
    z = mean_Bk[..., None] + torch.where(keep, 1.0, 0.0)[..., None] * common + (var - 0.1 * keep).sqrt()[..., None] * z
    products = torch.stack([z[:, 0] * z[:, 1], z[:, 0] * z[:, 2], z[:, 1] * z[:, 2]], 1)[..., None]
    y = norm(products, mean_Bk, std_Bk)
    both = torch.stack([keep[:, 0] & keep[:, 1], keep[:, 0] & keep[:, 2], keep[:, 1] & keep[:, 2]], 1)
    assert both.sum() == 4
    torch.testing.assert_close(y.mean((2, 3))[both], torch.zeros(4, dtype=torch.float64), atol=0.02, rtol=0)
    torch.testing.assert_close(y.var((2, 3))[both], torch.ones(4, dtype=torch.float64), atol=0.05, rtol=0)


@given(st.floats(-9, 9), st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3))
@example(-1.0, 1.0, 1.0, 0.1, 0.1)
def test_crosshada_variance_never_negative(cov: float, m_i: float, m_j: float, s_i: float, s_j: float) -> None:
    norm = CrossHadaNorm(2).double()
    torch.nn.init.constant_(norm.covariance, cov)
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    y = norm(x, torch.tensor([[m_i, m_j]], dtype=torch.float64), torch.tensor([[s_i, s_j]], dtype=torch.float64))
    assert torch.isfinite(y).all()


def test_crosshada_gradients() -> None:
    norm = CrossHadaNorm(3).double()
    torch.nn.init.uniform_(norm.covariance, -0.1, 0.1)
    x = torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    mean = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    std = (torch.rand(2, 3, dtype=torch.float64) + 0.5).requires_grad_()
    names = dict(norm.named_parameters())
    assert torch.autograd.gradcheck(
        lambda x, m, s, *p: torch.func.functional_call(norm, dict(zip(names, p, strict=True)), (x, m, s)),
        (x, mean, std, *names.values()),
    )


def test_registry_makes_a_norm_for_every_product() -> None:
    assert {"dysoft", "dysig", "dyalge", "batchnorm", "crosshada", "none"} <= set(NORMS)
    for name, make in NORMS.items():
        weights = [p.numel() for p in make(5).parameters() if p.numel() > 1]
        assert all(n == 10 for n in weights), name
