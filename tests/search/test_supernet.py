"""One path at a time: the gradient to the architecture, what runs, what does not."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hadaptive.nn.ach import gumbel_like
from hadaptive.nn.found import hadaptive_net_found
from hadaptive.search.genotype import chosen, rows
from hadaptive.search.supernet import Path, SuperNet
from hadaptive.space import Space


def a_net(space: Space) -> SuperNet:
    net = SuperNet(space, 10).double()
    with torch.no_grad():
        net.logits_LC.copy_(torch.randn_like(net.logits_LC) * net.present_LC)
    return net


def noise_of(net: SuperNet, seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    return gumbel_like(net.logits_LC)


@pytest.mark.parametrize("tau", [4.0, 0.7])
def test_the_gradient_is_that_of_all_candidates_with_a_hard_choice(space: Space, tau: float) -> None:
    """Against a forward pass that runs every candidate and weighs it by a hard Gumbel-softmax.

    Of its gradient GDAS keeps what passes through the weight of the chosen candidate: dL/dh of that one times the
    derivative of its softmax. Weights and input get the very same gradient.
    """
    net = a_net(space).eval()
    x_BCHW = torch.randn(4, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    y_B = torch.randint(10, (4,))

    perturbed_LC = (net.logits_LC + noise_of(net, 3)).masked_fill(~net.present_LC, -torch.inf)
    p_LC = (perturbed_LC / tau).softmax(1)
    place_L = perturbed_LC.argmax(1)
    hard_LC = F.one_hot(place_L, p_LC.shape[1]).double().requires_grad_()
    z_BCHW = x_BCHW
    for number, candidates in enumerate(net.layers):
        z_BCHW = sum(hard_LC[number, n] * module(z_BCHW) for n, module in enumerate(candidates))
    loss = F.cross_entropy(net.forward_head(z_BCHW), y_B)
    weights = [net.layers[0][0][0].weight, net.head[0].weight]
    dh_LC, dx_dense, *dw_dense = torch.autograd.grad(loss, [hard_LC, x_BCHW, *weights])
    of_chosen_L = dh_LC.gather(1, place_L[:, None])[:, 0]
    many = torch.tensor([len(layer.choose) > 1 for layer in space.layers])
    p_chosen_L = p_LC.gather(1, place_L[:, None])[:, 0]
    (expected_LC,) = torch.autograd.grad((of_chosen_L * many * p_chosen_L).sum(), [net.logits_LC])

    torch.manual_seed(3)
    path = net.sample(tau, gated=True)
    assert list(path.places) == place_L.tolist()
    ours = F.cross_entropy(net(x_BCHW, path), y_B)
    found_LC, dx, *dw = torch.autograd.grad(ours, [net.logits_LC, x_BCHW, *weights])
    torch.testing.assert_close(ours, loss)
    torch.testing.assert_close(found_LC, expected_LC, rtol=1e-9, atol=1e-15)
    torch.testing.assert_close([dx, *dw], [dx_dense, *dw_dense], rtol=1e-9, atol=1e-15)
    assert found_LC[many].abs().amax(1).min() > 0 and found_LC[~many].abs().max() == 0
    torch.testing.assert_close(found_LC.sum(1), torch.zeros(len(many), dtype=torch.float64), atol=1e-12, rtol=0)


def test_only_the_sampled_candidates_run_and_learn(space: Space) -> None:
    net = a_net(space)
    ran: list[nn.Module] = []
    for candidates in net.layers:
        for module in candidates:
            module.register_forward_hook(lambda module, *_: ran.append(module))
    path = net.sample(1.0, gated=False)
    net(torch.randn(4, 3, 16, 16, dtype=torch.float64), path).sum().backward()
    taken = [candidates[place] for candidates, place in zip(net.layers, path.places, strict=True)]
    assert [id(module) for module in ran] == [id(module) for module in taken]
    for candidates in net.layers:
        for module in candidates:
            got = [parameter.grad is not None for parameter in module.parameters()]
            assert all(got) if module in taken else not any(got)
    assert net.logits_LC.grad is None


def test_a_gate_is_one(space: Space) -> None:
    net = a_net(space).eval()
    x_BCHW = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    places, gates_L = net.sample(0.5, gated=True)
    assert gates_L is not None and torch.equal(gates_L, torch.ones_like(gates_L))
    torch.testing.assert_close(net(x_BCHW, Path(places, gates_L)), net(x_BCHW, Path(places)), rtol=0, atol=0)


def test_choices_follow_the_confidences(space: Space) -> None:
    """The winner of logits + Gumbel noise is distributed as the softmax, whatever the temperature."""
    net = a_net(space)
    draws = torch.tensor([net.sample(4.0, gated=False).places for _ in range(4000)])
    for layer, confidence in net.confidences().items():
        number = int(layer)
        for n, name in enumerate(space.layers[number].choose):
            share = (draws[:, number] == n).double().mean().item()
            assert abs(share - confidence[name] / 100) < 0.04
        assert abs(sum(confidence.values()) - 100) < 1e-9
    assert draws[:, 0].max() == 0, "a fixed layer has one candidate"


def test_batch_norm_in_training_hides_the_gate_of_a_layer_without_a_shortcut_after_it(space: Space) -> None:
    """Why the architecture's step runs the net in evaluation mode."""
    found = {}
    for training in (True, False):
        net = a_net(space)
        for _ in range(5):  # running statistics worth the name
            net(torch.randn(32, 3, 16, 16, dtype=torch.float64), net.sample(4.0, gated=False))
        net.train(training)
        path = Path((0, 0, 0, 0), torch.ones(4, dtype=torch.float64, requires_grad=True))
        assert path.gates_L is not None
        loss = F.cross_entropy(net(torch.randn(32, 3, 16, 16, dtype=torch.float64), path), torch.arange(32) % 10)
        found[training] = torch.autograd.grad(loss, [path.gates_L])[0].abs()
    # layer 2 has a shortcut inside; what follows it, layer 3, has none and begins with a normalised convolution
    assert found[True][2] < 1e-3 * found[False][2]


def test_the_net_that_is_found_is_the_preferred_path(space: Space) -> None:
    net = SuperNet(space, 10).eval()
    with torch.no_grad():
        net.logits_LC[1, 1], net.logits_LC[2, 3], net.logits_LC[3, 1] = 2.0, 2.0, 2.0
    names = chosen(space, net.confidences())
    assert names == ["conv", "ach_k5", "blank", "ach_k3"]
    alone = hadaptive_net_found(rows(space, names), num_classes=10).eval()
    kept = [n for n, name in enumerate(names) if name != "blank"]
    for module, number in zip(alone.features, kept, strict=True):
        module.load_state_dict(net.layers[number][net.preferred().places[number]].state_dict())
    alone.head.load_state_dict(net.head.state_dict())
    alone.classifier.load_state_dict(net.classifier.state_dict())
    x_BCHW = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(alone(x_BCHW), net(x_BCHW))
