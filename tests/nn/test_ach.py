"""The ACH module against equations 2 to 11, in float64 where numbers are compared."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hadaptive.nn import ach as ach_module
from hadaptive.nn.ach import AdaptiveCrossHadamard, gumbel_like, select_and_cross, straight_through_gate
from hadaptive.nn.norms import NORMS
from hadaptive.nn.scores import SCORES

F64 = torch.float64


def mapping_matrix(m_h_BC: Tensor, index_Bk: Tensor) -> Tensor:
    """Eqs. 8 and 9: [B, k, C], row s is M^H where c = S_s and zero elsewhere."""
    return torch.nn.functional.one_hot(index_Bk, m_h_BC.shape[1]).to(m_h_BC.dtype) * m_h_BC[:, None, :]


def paper_z(x_BCHW: Tensor, perturbed_BC: Tensor, index_Bk: Tensor, tau: float, m_constant: Tensor) -> Tensor:
    """Z = M X (eq. 10), M^H = hard + M - constant: at M = constant its true gradient is the straight-through one."""
    hard_BC = torch.zeros_like(perturbed_BC).scatter(1, index_Bk, 1.0)
    m_h_BC = hard_BC + (perturbed_BC / tau).softmax(1) - m_constant
    return torch.einsum("bkc,bchw->bkhw", mapping_matrix(m_h_BC, index_Bk), x_BCHW)


def products_by_definition(z_BKHW: Tensor) -> Tensor:
    k = z_BKHW.shape[1]
    return torch.stack([z_BKHW[:, i] * z_BKHW[:, j] for i in range(k) for j in range(i + 1, k)], 1)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(3, 2), (1, 1)])
def test_gather_is_the_mapping_matrix(memory_format: torch.memory_format, size: tuple[int, int]) -> None:
    x = torch.randn(3, 7, *size, dtype=F64).to(memory_format=memory_format)
    scores = torch.randn(3, 7, dtype=F64)
    index = scores.topk(4, 1).indices
    expected = products_by_definition(paper_z(x, scores, index, 1.0, scores.softmax(1)))
    y = select_and_cross(x, index, straight_through_gate(scores, index, torch.tensor(1.0), "paper"))
    torch.testing.assert_close(y, expected, rtol=1e-14, atol=1e-14)
    assert torch.equal(y, select_and_cross(x, index, None))
    assert y.is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("ste", ["paper", "released"])
@pytest.mark.parametrize("tau", [4.0, 0.3])
def test_straight_through_gradient_is_equation_6(ste: str, tau: float) -> None:
    """dL/dscores = dL/dM^H (diag(M) - M M^T) / tau, with dL/dM^H nonzero only at selected channels (eq. 9)."""
    x = torch.randn(2, 6, 3, 3, dtype=F64)
    scores = torch.randn(2, 6, dtype=F64, requires_grad=True)
    index = scores.topk(3, 1).indices
    z = x.gather(1, index[:, :, None, None].expand(-1, -1, 3, 3))
    dz = torch.randn_like(z)
    gate = straight_through_gate(scores, index, torch.tensor(tau, dtype=F64), ste)
    assert torch.equal(gate, torch.ones_like(gate))
    (z * gate[:, :, None, None] * dz).sum().backward()

    m = (scores.detach() / tau).softmax(1)
    dm_h = torch.zeros_like(m).scatter(1, index, (z * dz).sum((2, 3)))
    jacobian = (torch.diag_embed(m) - m[:, :, None] * m[:, None, :]) / tau
    expected = torch.einsum("bc,bcd->bd", dm_h, jacobian)
    torch.testing.assert_close(scores.grad, expected if ste == "paper" else -expected, rtol=1e-12, atol=1e-14)


def test_selected_pipeline_passes_gradcheck_with_fixed_noise() -> None:
    x = torch.randn(2, 5, 2, 2, dtype=F64, requires_grad=True)
    scores = torch.randn(2, 5, dtype=F64, requires_grad=True)
    noise = gumbel_like(scores.detach())
    index = (scores + noise).topk(3, 1).indices
    constant = ((scores + noise) / 0.7).softmax(1).detach()

    def surrogate(x: Tensor, scores: Tensor) -> Tensor:
        return products_by_definition(paper_z(x, scores + noise, index, 0.7, constant))

    assert torch.autograd.gradcheck(surrogate, (x, scores))
    gate = straight_through_gate(scores + noise, index, torch.tensor(0.7, dtype=F64), "paper")
    actual = select_and_cross(x, index, gate)
    dy = torch.randn_like(actual)
    for a, b in zip(
        torch.autograd.grad(actual, (x, scores), dy),
        torch.autograd.grad(surrogate(x, scores), (x, scores), dy),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("training", [True, False])
def test_module_passes_gradcheck(norm: str, training: bool) -> None:
    layer = AdaptiveCrossHadamard(4, 3, norm=norm, selection="fixed").double().train(training)
    layer.bn.track_running_stats = False  # gradcheck calls forward many times
    x = torch.randn(2, 4, 2, 2, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


@pytest.mark.parametrize("norm", ["crosshada", "crosshada_affine", "dysoft"])
@pytest.mark.parametrize("training", [True, False])
def test_unnormalised_products_pass_gradcheck(norm: str, training: bool) -> None:
    layer = AdaptiveCrossHadamard(4, 3, norm=norm, selection="fixed", product_of="unnormalised").double()
    layer(torch.randn(8, 4, 2, 2, dtype=F64))  # running statistics other than 0 and 1
    layer.train(training).bn.momentum = 0.0  # gradcheck calls forward many times
    x = torch.randn(2, 4, 2, 2, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norm", ["crosshada", "crosshada_affine"])
def test_unnormalised_products_are_those_before_batch_norm_normalised_by_its_statistics(
    norm: str, training: bool
) -> None:
    options = {"norm": norm, "selection": "fixed", "pointwise": False, "product_of": "unnormalised"}
    layer = AdaptiveCrossHadamard(3, 3, **options).double()
    layer.bn.momentum = 1.0  # running statistics are the last batch's
    x = torch.randn(64, 3, 40, 40, dtype=F64) * torch.tensor([2.0, 0.5, 3.0]).view(3, 1, 1) + 1.5
    layer(x)
    y = layer.train(training)(x)
    assert torch.equal(y[:, :3], layer.bn(x))
    products = y[:, 3:]
    torch.testing.assert_close(products.mean((0, 2, 3)), torch.zeros(3, dtype=F64), rtol=0, atol=0.02)
    torch.testing.assert_close(products.var((0, 2, 3)), torch.ones(3, dtype=F64), rtol=0, atol=0.03)
    correlation = torch.corrcoef(torch.stack([products[:, 0].flatten(), (x[:, 0] * x[:, 1]).flatten()]))
    assert correlation[0, 1].item() == pytest.approx(1)


@pytest.mark.parametrize("training", [True, False])
def test_crosshada_takes_the_running_statistics_of_the_channels_that_each_sample_selected(training: bool) -> None:
    layer = AdaptiveCrossHadamard(16, 3, norm="crosshada", score="evaluation", selection="topk").double()
    layer(torch.randn(8, 16, 4, 4, dtype=F64) * 2 + 1)
    torch.nn.init.uniform_(layer.norm.covariance, -0.1, 0.1)
    x = torch.randn(4, 16, 3, 3, dtype=F64) + 3 * torch.randn(4, 16, 1, 1, dtype=F64)
    y = layer.train(training)(x)
    inner = y[:, :16]  # after batch norm; the running statistics are those after this step's update
    index = layer.score(inner.mean((2, 3)), lambda weight: weight).topk(3, 1).indices
    assert len({tuple(row) for row in index.tolist()}) > 1
    products = products_by_definition(torch.stack([inner[b, index[b]] for b in range(4)]))
    mean, var = layer.bn.running_mean[index], layer.bn.running_var[index]
    torch.testing.assert_close(y[:, 16:], layer.norm(products, mean, var), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("ste", ["paper", "released"])
def test_module_gradient_reaches_the_eca_kernel_with_the_right_sign(ste: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = AdaptiveCrossHadamard(8, 3, ste=ste).double()
    x = torch.randn(2, 8, 3, 3, dtype=F64)
    noise = gumbel_like(torch.empty(2, 8, dtype=F64))
    monkeypatch.setattr(ach_module, "gumbel_like", lambda scores: noise)
    layer(x).square().sum().backward()

    kernel = layer.score.weight.detach().clone().requires_grad_()
    with torch.no_grad():
        inner = layer.bn(layer.pointwise(x))
    perturbed = torch.nn.functional.conv1d(inner.mean((2, 3))[:, None], kernel, padding=2)[:, 0] + noise
    index = perturbed.topk(3, 1).indices
    z = paper_z(inner, perturbed, index, 4.0, (perturbed / 4.0).softmax(1).detach())
    layer.norm(products_by_definition(z)).square().sum().backward()
    sign = 1 if ste == "paper" else -1
    torch.testing.assert_close(layer.score.weight.grad, sign * kernel.grad, rtol=1e-9, atol=1e-12)


def test_train_equals_eval_without_noise_and_with_batch_statistics_frozen() -> None:
    layer = AdaptiveCrossHadamard(12, 5, selection="topk")
    layer.bn.running_mean.normal_()
    x = torch.randn(4, 12, 5, 5)
    layer.eval()
    expected = layer(x)
    layer.train()
    layer.bn.eval()
    assert torch.equal(layer(x), expected)


@pytest.mark.parametrize("selection", ["gumbel", "topk"])
def test_zero_noise_makes_gumbel_the_same_as_topk(selection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ach_module, "gumbel_like", torch.zeros_like)
    layer = AdaptiveCrossHadamard(12, 5, selection=selection)
    torch.manual_seed(1)
    x = torch.randn(4, 12, 5, 5)
    inner = layer.bn(layer.pointwise(x))
    index, _ = layer.select(inner)
    scores = layer.score(inner.mean((2, 3)), lambda weight: weight)
    assert torch.equal(index, scores.argsort(1, descending=True)[:, :5])


@settings(max_examples=25)
@given(st.floats(0.01, 4.0), st.integers(0, 1000))
def test_tau_never_changes_the_selected_set(tau: float, seed: int) -> None:
    torch.manual_seed(seed)
    layer = AdaptiveCrossHadamard(16, 6)
    x = torch.randn(3, 16, 2, 2)
    torch.manual_seed(seed)
    warm, _ = layer.select(x)
    layer.temperature.tau.fill_(tau)
    torch.manual_seed(seed)
    cold, gate = layer.select(x)
    assert torch.equal(warm, cold)
    assert torch.equal(gate, torch.ones_like(gate))
    assert all(len(set(row)) == 6 for row in cold.tolist())


def test_gumbel_noise_has_its_mean_and_variance() -> None:
    noise = gumbel_like(torch.empty(500_000, dtype=F64))
    assert torch.isfinite(noise).all()
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.01)
    assert noise.var().item() == pytest.approx(torch.pi**2 / 6, abs=0.02)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("implementation", ["auto", "native"])
def test_memory_format_is_kept_and_changes_no_number(training: bool, norm: str, implementation: str) -> None:
    layer = AdaptiveCrossHadamard(16, 6, norm=norm, selection="topk", implementation=implementation).train(training)
    x = torch.randn(3, 16, 5, 4)
    outputs, gradients = [], []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        leaf = x.clone(memory_format=memory_format).requires_grad_()
        y = copy.deepcopy(layer)(leaf)  # training moves the running statistics, which CrossHadaNorm reads
        (gradient,) = torch.autograd.grad(y.square().sum(), leaf)
        assert y.is_contiguous(memory_format=memory_format)
        assert gradient.is_contiguous(memory_format=memory_format)
        outputs.append(y)
        gradients.append(gradient)
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("score", SCORES)
def test_bf16_autocast_is_finite_and_selects_in_float32(norm: str, score: str) -> None:
    layer = AdaptiveCrossHadamard(16, 6, norm=norm, score=score)
    x = torch.randn(4, 16, 6, 6).to(memory_format=torch.channels_last)
    torch.manual_seed(1)
    expected, _ = layer.select(x.bfloat16().float())
    with torch.autocast("cpu", torch.bfloat16):
        torch.manual_seed(1)
        index, gate = layer.select(x.bfloat16())
        y = layer(x)
    assert torch.equal(index, expected)
    assert gate.dtype == torch.float32
    y.float().square().mean().backward()
    assert torch.isfinite(y).all()
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters())
    assert all(p.grad.dtype == torch.float32 for p in layer.parameters())


def test_first_channels_are_the_mixed_input_and_products_follow_the_pair_order() -> None:
    layer = AdaptiveCrossHadamard(6, 4, norm="none").eval()
    x = torch.randn(2, 6, 3, 3)
    y = layer(x)
    inner = layer.bn(layer.pointwise(x))
    assert torch.equal(y[:, :6], inner)
    order = layer.score(inner.mean((2, 3)), lambda weight: weight).argsort(1, descending=True)[:, :4]
    z = torch.stack([inner[b, order[b]] for b in range(2)])
    torch.testing.assert_close(y[:, 6:], products_by_definition(z))
    assert y.shape[1] == layer.out_channels == 12


def test_temperature_moves_once_a_training_forward_whoever_zeroes_gradients() -> None:
    def run(zero: str) -> list[float]:
        torch.manual_seed(0)
        layer = AdaptiveCrossHadamard(8, 3, tau_step=0.1)
        taus = []
        for step in range(8):
            if zero == "before":
                layer.zero_grad()
            y = layer(torch.randn(4, 8, 3, 3) / (step + 1))
            taus.append(layer.temperature.tau.item())
            layer.eval()(torch.randn(4, 8, 3, 3))
            layer.train()
            if zero == "between":
                layer.zero_grad(set_to_none=False)
            y.square().sum().backward()
            if zero == "after":
                layer.zero_grad()
        return taus

    taus = run("before")
    assert taus == run("between") == run("after") == run("never")
    assert taus[:2] == [4.0, 4.0]
    assert len(set(taus)) > 3


def test_the_trained_temperature_has_a_gradient_and_is_kept_at_a_tenth_or_above() -> None:
    layer = AdaptiveCrossHadamard(8, 3, score="evaluation_relu6", temperature="trained").double()
    value = layer.temperature.value
    assert value.item() == pytest.approx(1.8)
    x = torch.randn(4, 8, 3, 3, dtype=F64)
    (layer(x).square().sum() + layer(x).square().sum()).backward()  # two forwards, as under gradient accumulation
    assert value.grad.item() != 0
    torch.optim.SGD([value], lr=abs(5 / value.grad.item())).step()
    if value.item() > 0.1:  # the update went up
        value.data.fill_(-3.0)
    layer(x)
    assert value.item() == layer.temperature.tau.item() == pytest.approx(0.1)
    before = value.item()
    layer.eval()(x)
    assert value.item() == before


def test_the_released_evaluation_network_cuts_at_six() -> None:
    plain, released = SCORES["evaluation"](8).double(), SCORES["evaluation_relu6"](8).double()
    released.load_state_dict(plain.state_dict())
    mean = torch.randn(3, 8, dtype=F64)
    for network, scale, least, most in ((plain, 1.0, 0, 1e9), (released, 1.0, 0, 6), (released, 100.0, 0, 6)):
        hidden = (scale * mean) @ plain.reduce.weight.T + plain.reduce.bias
        want = hidden.clamp(least, most) @ plain.expand.weight.T + plain.expand.bias
        torch.testing.assert_close(network(scale * mean, lambda weight: weight), want, rtol=1e-12, atol=1e-13)
    assert hidden.max() > 6


@pytest.mark.parametrize("score", SCORES)
def test_every_score_learns(score: str) -> None:
    layer = AdaptiveCrossHadamard(8, 3, score=score)
    layer(torch.randn(4, 8, 3, 3)).square().sum().backward()
    assert all(p.grad is not None for p in layer.parameters())
    assert layer.temperature.grad_norm > 0


def test_ablations_drop_what_they_say() -> None:
    full = {name for name, _ in AdaptiveCrossHadamard(8, 3).named_parameters()}
    without = {name for name, _ in AdaptiveCrossHadamard(8, 3, pointwise=False).named_parameters()}
    fixed = AdaptiveCrossHadamard(8, 3, selection="fixed")
    assert full - without == {"pointwise.weight", "pointwise.bias"}
    assert full - {name for name, _ in fixed.named_parameters()} == {"score.weight"}
    assert fixed.select(torch.randn(2, 8, 1, 1))[0].tolist() == [[0, 1, 2]] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 1}, "at least two"),
        ({"k": 9}, "k <= 8"),
        ({"norm": "layernorm"}, "dysoft.*crosshada"),
        ({"ste": "gumbel"}, "paper, released"),
        ({"score": "se"}, "eca, learned, evaluation"),
        ({"selection": "random"}, "gumbel, topk, fixed"),
        ({"tau_step": 2.0}, "tau_step"),
        ({"temperature": "fixed"}, "adaptive, trained"),
        ({"product_of": "raw"}, "normalised, unnormalised"),
    ],
)
def test_bad_arguments_name_the_remedy(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdaptiveCrossHadamard(**({"channels": 8, "k": 3} | arguments))
