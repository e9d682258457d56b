"""Normalisers of the products against their formulas, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

import kernels
from hadaptive.nn.norms import (
    NORMS,
    AffineCrossHadaNorm,
    CrossHadaNorm,
    DyAlge,
    DynamicSigmoid,
    DySig,
    DySoft,
    product_moments,
)

ACTIVATIONS = {
    DySoft: lambda u: u / (1 + np.abs(u)),
    DynamicSigmoid: lambda u: 1 / (1 + np.exp(-u)),
    DySig: lambda u: 1 / (1 + np.exp(-u)) - 0.5,
    DyAlge: lambda u: u / np.sqrt(1 + u**2),
}


@pytest.mark.parametrize("norm", ACTIVATIONS)
def test_dynamic_curve_is_equation_11(norm: type[DySoft]) -> None:
    layer = norm(6)
    assert layer.alpha.item() == pytest.approx(0.35 if norm is DySig else 0.5)
    assert (layer.weight == (2 if norm is DySig else 1)).all()
    assert (layer.bias == 0).all()
    layer = layer.double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 6, 3, 5, dtype=torch.float64) * 4
    w, b = (p.detach().numpy()[:, None, None] for p in (layer.weight, layer.bias))
    expected = ACTIVATIONS[norm](layer.alpha.item() * x.numpy()) * w + b
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-13)


@pytest.mark.parametrize("norm", ACTIVATIONS)
def test_the_operator_computes_the_same_function(norm: type[DySoft]) -> None:
    layer = norm(3).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    z = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    affine = {"alpha": layer.alpha, "weight_P": layer.weight, "bias_P": layer.kernel_bias()}
    y = kernels.expand(z, torch.arange(3).expand(2, 3), activation=layer.kernel, **affine)
    torch.testing.assert_close(y[:, 3:], layer(kernels.cross_hadamard(z)), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("norm", ACTIVATIONS)
def test_dynamic_curve_gradients(norm: type[DySoft]) -> None:
    layer = norm(3).double()
    torch.nn.init.normal_(layer.weight)
    x = torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    names = dict(layer.named_parameters())
    assert torch.autograd.gradcheck(
        lambda x, *p: torch.func.functional_call(layer, dict(zip(names, p, strict=True)), x), (x, *names.values())
    )


@pytest.mark.parametrize("norm", ACTIVATIONS)
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


@pytest.mark.parametrize(("name", "mixed"), [("crosshada", -2.0), ("crosshada_corrected", 2.0)])
def test_crosshada_is_the_released_formula_with_either_sign(name: str, mixed: float) -> None:
    """Pair by pair in float64, on the running statistics of each sample's own channels."""
    norm = NORMS[name](3).double()
    assert [n for n, _ in norm.named_parameters()] == ["covariance"]
    assert (norm.covariance == 0).all()
    torch.nn.init.uniform_(norm.covariance, -0.3, 0.3)
    x = torch.randn(2, 3, 2, 2, dtype=torch.float64)
    m, v = torch.randn(2, 3, dtype=torch.float64), torch.rand(2, 3, dtype=torch.float64) + 2
    y = norm(x, m, v).detach().numpy()
    m, v, c = m.numpy(), v.numpy(), norm.covariance.detach().numpy()
    for b in range(2):
        for p, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
            mi, mj, vi, vj = m[b, i], m[b, j], v[b, i], v[b, j]
            var = vi * vj + vi * mj**2 + mi**2 * vj + mixed * c[p] * mi * mj + c[p] ** 2 + 1e-5
            np.testing.assert_allclose(y[b, p], (x[b, p].numpy() - (c[p] + mi * mj)) / np.sqrt(var), rtol=1e-13)


def test_the_mixed_term_of_joint_normals_is_the_corrected_one() -> None:
    """Products of correlated normals come out with variance 1 with +2, and not with the released -2."""
    mean, covariance = np.array([0.7, -1.2]), np.array([[1.5, -0.8], [-0.8, 0.9]])
    z = torch.tensor(np.random.default_rng(0).multivariate_normal(mean, covariance, size=400_000))
    products = (z[:, 0] * z[:, 1])[None, None, :, None]
    m, v = torch.tensor(mean)[None], torch.tensor([[1.5, 0.9]], dtype=torch.float64)
    variances = {}
    for name in ("crosshada", "crosshada_corrected"):
        norm = NORMS[name](2).double()
        torch.nn.init.constant_(norm.covariance, -0.8)
        y = norm(products, m, v)
        assert y.mean().item() == pytest.approx(0, abs=0.02)
        variances[name] = y.var().item()
    assert variances["crosshada_corrected"] == pytest.approx(1, abs=0.03)
    assert abs(variances["crosshada"] - 1) > 0.3


def test_affine_crosshada_standardises_joint_normals_per_sample() -> None:
    """Two samples select different channels, so the same product is normalised by different moments."""
    mean_Bk = torch.tensor([[0.5, -1.0, 2.0], [2.0, 0.0, -0.3]], dtype=torch.float64)
    std_Bk = torch.tensor([[1.0, 2.0, 0.5], [0.3, -1.5, 1.0]], dtype=torch.float64)  # a gamma may be negative
    norm = AffineCrossHadaNorm(3).double()
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
def test_affine_crosshada_variance_never_negative(cov: float, m_i: float, m_j: float, s_i: float, s_j: float) -> None:
    norm = AffineCrossHadaNorm(2).double()
    torch.nn.init.constant_(norm.covariance, cov)
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    y = norm(x, torch.tensor([[m_i, m_j]], dtype=torch.float64), torch.tensor([[s_i, s_j]], dtype=torch.float64))
    assert torch.isfinite(y).all()


@pytest.mark.parametrize("make", [CrossHadaNorm, AffineCrossHadaNorm])
def test_crosshada_gradients(make: type[torch.nn.Module]) -> None:
    norm = make(3).double()
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
    activations, crosshada = (
        {"dysoft", "dysig", "sigmoid", "dyalge"},
        {"crosshada", "crosshada_corrected", "crosshada_affine"},
    )
    assert {*activations, *crosshada, "batchnorm", "none"} <= set(NORMS)
    for name, make in NORMS.items():
        weights = [p.numel() for p in make(5).parameters() if p.numel() > 1]
        assert all(n == 10 for n in weights), name
