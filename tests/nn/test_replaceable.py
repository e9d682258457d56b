"""What counts as a block that ACH can replace, in models of three libraries and in blocks of one's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from hadaptive.nn.replaceable import Bottleneck, FeedForward, NotReplaceable, read, replaceable
from hadaptive.nn.zoo import create_model


def dw(channels: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels)


class Residual(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class Custom(nn.Module):
    """Layers run by a function, so that a test can make any block."""

    def __init__(self, run: Callable[[nn.Module, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


# model: number of blocks, the last one's name, and what is in it: channels, width, kernel, stride, residual
LAST = {
    "mobilenetv3_small_100": (11, "blocks.4.2", (96, 576, 5, 1, True)),
    "mobilenet_v3_small": (11, "features.11", (96, 576, 5, 1, True)),
    "mobilenet_v2": (17, "features.17", (160, 960, 3, 1, False)),
    "mobilenetv4_conv_small": (12, "blocks.3.5", (128, 512, 3, 1, True)),
    "shufflenet_v2_x1_0": (19, "stage4.3.branch2", (232, 232, 3, 1, False)),
    "starnet_s1": (15, "stages.3.3", (192, 768, 7, 1, True)),
}


@pytest.mark.parametrize("name", LAST)
def test_finds_the_bottlenecks(name: str) -> None:
    found = replaceable(create_model(name))
    number, last, expected = LAST[name]
    assert (len(found), list(found)[-1]) == (number, last)
    b = found[last]
    assert isinstance(b, Bottleneck)
    assert (b.in_channels, b.width, b.kernel, b.stride, b.residual) == expected


def test_finds_the_feed_forward_layers() -> None:
    found = replaceable(create_model("mobilevit_xxs"))
    layers = {name: part for name, part in found.items() if isinstance(part, FeedForward)}
    assert [(f.channels, f.width) for f in layers.values()] == [(64, 128)] * 2 + [(80, 160)] * 4 + [(96, 192)] * 3
    assert all(name.endswith(".mlp") and isinstance(f.act, nn.SiLU) for name, f in layers.items())


@pytest.mark.parametrize("name", ["resnet18", "hadaptive_net_s", "mobileone_s0"])
def test_finds_nothing_where_nothing_is(name: str) -> None:
    assert replaceable(create_model(name)) == {}


def test_strides_squeeze_excite_and_activations_of_mobilenetv3() -> None:
    found = list(replaceable(create_model("mobilenetv3_small_100")).values())
    assert [b.stride for b in found] == [2, 2, 1, 2, 1, 1, 1, 1, 2, 1, 1]
    hidden = [b.squeeze_excite and b.squeeze_excite.hidden for b in found]
    assert hidden == [8, None, None, 24, 64, 64, 32, 40, 72, 144, 144]
    assert [type(b.act) for b in found] == [nn.ReLU] * 3 + [nn.Hardswish] * 8
    assert found[0].width == found[0].in_channels == 16  # depthwise separable, no expansion


def test_order_is_that_of_running_and_parallel_expansions_are_one() -> None:
    def run(m: nn.Module, x: Tensor) -> Tensor:
        y = m.depthwise(x)
        return x + m.project(m.act(m.a(y)) * m.b(y))

    parts = {"a": nn.Conv2d(8, 24, 1), "b": nn.Conv2d(8, 24, 1), "project": nn.Conv2d(24, 8, 1), "act": nn.SiLU()}
    b = read(Custom(run, depthwise=dw(8, 5), **parts))  # the activation, named last, runs before the projection
    assert isinstance(b, Bottleneck)
    assert (b.in_channels, b.out_channels, b.width, b.kernel, b.residual, type(b.act)) == (8, 8, 24, 5, True, nn.SiLU)
    assert b.out_act is None


def test_an_activation_after_the_projection_is_kept() -> None:
    b = read(nn.Sequential(nn.Conv2d(4, 8, 1), nn.ReLU(), dw(8), nn.Conv2d(8, 4, 1), nn.ReLU6()))
    assert (type(b.act), type(b.out_act)) == (nn.ReLU, nn.ReLU6)


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (nn.Sequential(nn.Conv2d(4, 8, 1), nn.Conv2d(8, 4, 1)), "not one block"),
        (nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), dw(8), nn.Conv2d(8, 4, 1)), "neither 1x1 nor depthwise"),
        (nn.Sequential(nn.Conv2d(4, 8, 1), dw(8)), "no expansion"),
        (nn.Sequential(nn.Conv2d(4, 8, 1), dw(8), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 1)), "no expansion"),
        (nn.Sequential(nn.Conv2d(4, 8, 1), dw(8), nn.Conv2d(8, 4, 1), nn.Upsample(scale_factor=2)), "turns"),
        (Custom(lambda m, x: m.net(x) - x, net=nn.Sequential(dw(4), nn.Conv2d(4, 4, 1))), "something else"),
        (Custom(lambda m, x: m.net(x, x), net=nn.Sequential(dw(4), nn.Conv2d(4, 4, 1))), "does not run"),
        (nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 8)), "widen"),
        (nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 5)), "widen"),
        (nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 4)), "nothing else that learns"),
        (Residual(nn.Linear(4, 8), nn.Linear(8, 4)), "more than one linear layer"),
        (nn.Sequential(nn.Linear(4, 4)), "two linear layers"),
        (nn.ReLU(), "no convolution"),
    ],
)
def test_refuses_with_a_reason(block: nn.Module, reason: str) -> None:
    with pytest.raises(NotReplaceable, match=reason):
        read(block)


def test_a_stage_of_one_block_is_no_block() -> None:
    block = Residual(nn.Conv2d(4, 8, 1), dw(8), nn.Conv2d(8, 4, 1))
    assert list(replaceable(nn.Sequential(nn.Sequential(nn.Sequential(*block)), nn.Flatten()))) == ["0.0"]
    assert list(replaceable(nn.Sequential(block))) == ["0"]


def test_reading_neither_changes_the_model_nor_draws_random_numbers() -> None:
    model = create_model("mobilenetv3_small_100")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    replaceable(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
