"""The definition itself, against loops a reader can check by eye."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from kernels import cross_hadamard, pairs, reference, triangular


def test_pairs_are_those_of_the_triangular_index() -> None:
    i, j = pairs(7)
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == [triangular.unpack(p, 7) for p in range(21)]


def test_pairs_made_in_inference_mode_serve_training() -> None:
    with torch.inference_mode():
        pairs(5)
    z = torch.randn(1, 5, 2, 2, requires_grad=True)
    cross_hadamard(z).sum().backward()
    assert z.grad is not None


@pytest.mark.parametrize("activation", ["softsign", "sigmoid", "algebraic", None])
def test_expand_is_the_papers_formula_element_by_element(cases: SimpleNamespace, activation: str | None) -> None:
    q = cases.make((2, 6, 2, 1, 4), torch.float64, activation=activation)
    y = reference.expand(q.x, q.idx, q.gate, activation, q.alpha, q.weight, q.bias)
    f = {
        "softsign": lambda u: u / (1 + abs(u)),
        "sigmoid": lambda u: math.exp(u) / (math.exp(u) + 1),
        "algebraic": lambda u: u / math.sqrt(1 + u * u),
        None: lambda u: u / q.alpha.item(),
    }[activation]
    assert torch.equal(y[:, :6], q.x)
    for b in range(2):
        for p in range(6):
            i, j = triangular.unpack(p, 4)
            for h in range(2):
                zi, zj = (float(q.gate[b, s] * q.x[b, q.idx[b, s], h, 0]) for s in (i, j))
                want = f(q.alpha.item() * zi * zj) * q.weight[p].item() + q.bias[p].item()
                assert y[b, 6 + p, h, 0].item() == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("k", [2, 3, 8, 17])
def test_the_closed_gradient_of_the_products_is_autograds(k: int) -> None:
    z = torch.randn(2, k, 3, 1, dtype=torch.float64, requires_grad=True)
    dq = torch.randn(2, triangular.count(k), 3, 1, dtype=torch.float64)
    (want,) = torch.autograd.grad(cross_hadamard(z), z, dq)
    torch.testing.assert_close(reference.cross_hadamard_backward(dq, z.detach()), want)


@pytest.mark.parametrize("activation", list(reference.ACTIVATIONS))
def test_slopes_are_those_of_the_curves(activation: str) -> None:
    u = torch.linspace(-4, 4, 41, dtype=torch.float64, requires_grad=True)
    f, slope = reference.activation_and_slope(u, activation)
    (want,) = torch.autograd.grad(reference.ACTIVATIONS[activation](u).sum(), u)
    torch.testing.assert_close(f, reference.ACTIVATIONS[activation](u))
    torch.testing.assert_close(slope, want)


@pytest.mark.parametrize("k", range(2, 129))
def test_parity_balanced_visits_every_pair_once_as_algorithm_2_does(k: int) -> None:
    seen = []
    for me in range(k):
        algorithm_2 = [it for it in range(k) if (it < me and (me - it) % 2 == 0) or (it > me and (me - it) % 2 == 1)]
        assert sorted(triangular.parity_partners(me, k)) == algorithm_2
        seen += [(min(it, me), max(it, me)) for it in algorithm_2]
    assert sorted(seen) == [triangular.unpack(p, k) for p in range(triangular.count(k))]


def test_topk_ranks_score_and_noise_with_ties_to_the_lower_channel() -> None:
    x = torch.zeros(1, 4, 2, 2)
    x[0, 2] = 1.0
    scores, idx = reference.topk_scores(x, torch.tensor([0.0, 1.0, 0.0]), 3)
    assert scores.tolist() == [[0, 0, 1, 0]]
    assert idx.tolist() == [[2, 0, 1]]
    scores, idx = reference.topk_scores(x, torch.tensor([0.0, 1.0, 0.0]), 3, torch.tensor([[0.0, 0.0, 0.0, 2.0]]))
    assert scores.tolist() == [[0, 0, 1, 0]]
    assert idx.tolist() == [[3, 2, 0]]


def test_every_curve_has_its_slope_and_its_triton_code_and_an_unknown_one_has_neither() -> None:
    device = pytest.importorskip("kernels.device", reason="triton is not installed")
    assert set(device.ACTIVATION_CODES) == {None, *reference.ACTIVATIONS}
    assert len(set(device.ACTIVATION_CODES.values())) == len(device.ACTIVATION_CODES)
    with pytest.raises(KeyError, match="tanh"):
        reference.activation_and_slope(torch.zeros(1), "tanh")
