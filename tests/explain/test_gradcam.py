"""Maps against Grad-CAM written out by hand, in float64; the layers are those of the net."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from hadaptive.explain.gradcam import explain
from hadaptive.nn.hadaptive_net import ACH, NETS, Ghost
from hadaptive.nn.zoo import create_model


@pytest.mark.parametrize("options", [{"norm": "dysoft"}, {"all_ghost": True}], ids=["ach", "ghost"])
def test_maps_are_those_of_the_definition(options: dict[str, object]) -> None:
    torch.manual_seed(3)
    net = create_model("hadaptive_net_s", 5, **options).double()
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    found = explain(net, x)
    assert not net.training and found.predicted == net(x).argmax().item()
    assert found.probability == pytest.approx(net(x).softmax(1).max().item())
    for n, layer in enumerate(found.layers):
        features = list(net.get_submodule("features").children())
        a = x
        for row in features[: n + 1]:
            a = row(a)
        a = a.detach().requires_grad_()
        y = a
        for row in features[n + 1 :]:
            y = row(y)
        (gradient,) = torch.autograd.grad(net.forward_head(y)[0, found.predicted], a)  # type: ignore[operator]
        expected = F.relu((gradient.mean((2, 3), keepdim=True) * a).sum(1))[0]
        torch.testing.assert_close(layer.cam_HW, expected.detach(), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("all_ghost", [False, True])
def test_every_row_of_table_9_is_a_layer(all_ghost: bool) -> None:
    net = create_model("hadaptive_net_s", 5, all_ghost=all_ghost)
    found = explain(net, torch.randn(1, 3, 32, 32)).layers
    rows = NETS["hadaptive_net_s"]
    assert [layer.name for layer in found] == [f"features.{n}" for n in range(len(rows))]
    assert [layer.downsamples for layer in found] == [row.stride == 2 for row in rows]
    named = {ACH: "Ghost" if all_ghost else "ACH", Ghost: "Ghost"}
    assert [layer.operator for layer in found] == [named.get(type(row), "Conv") for row in rows]
    assert [tuple(layer.cam_HW.shape) for layer in found[:2]] == [(16, 16), (8, 8)]
