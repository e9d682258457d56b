"""The fast form is the same function: in float64, over weights as after any training."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hadaptive.measure.convolutions import BLOCK, composed, depthwise
from hadaptive.measure.export import export_onnx
from hadaptive.measure.fast_form import SplitBottleneck, fast_form
from hadaptive.measure.inference import inference_form
from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.blocks import AdaptiveBottleneck, ConvNormAct, GhostExpansion
from hadaptive.nn.norms import NORMS
from hadaptive.nn.zoo import create_model

QUICK = settings(max_examples=40)
WITHOUT_A_FAST_FORM = ({"norm": "crosshada"}, {"pointwise": False}, {"product_of": "unnormalised"})


def trained(model: nn.Module, alpha: float | None = None) -> nn.Module:
    """In float64 and eval mode, every parameter and statistic random; alpha in [-1, 1] or as given."""
    for part in model.modules():
        for name, value in part.named_parameters(recurse=False):
            if name == "alpha":
                nn.init.uniform_(value, -1, 1) if alpha is None else nn.init.constant_(value, alpha)
            elif value.ndim < 2:
                nn.init.normal_(value, 0.3)
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None and part.running_var is not None
            part.running_mean.normal_(0, 0.5)
            part.running_var.uniform_(0.5, 1.5)
    return model.double().eval()


def assert_same_function(model: nn.Module, x: Tensor) -> nn.Module:
    fast = fast_form(model)
    with torch.no_grad():
        torch.testing.assert_close(fast(x), model(x), rtol=1e-9, atol=1e-9)
    return fast


@QUICK
@given(
    st.integers(2, 40).flatmap(lambda channels: st.tuples(st.just(channels), st.integers(2, min(channels, 9)))),
    st.sampled_from([name for name in NORMS if not name.startswith("crosshada")]),
    st.sampled_from([None, 0.0, -1.0, 1e-30]),
    st.sampled_from([(1, 1), (3, 1), (5, 1), (7, 1), (2, 2)]),
    st.tuples(st.integers(1, 3), st.integers(2, 9), st.integers(2, 9)),
    st.booleans(),
    st.fixed_dictionaries(
        {
            "score": st.sampled_from(["eca", "learned", "evaluation"]),
            "selection": st.sampled_from(["gumbel", "fixed"]),
        }
    ),
)
def test_cross_hadamard_bottleneck(
    sizes: tuple[int, int],
    norm: str,
    alpha: float | None,
    conv: tuple[int, int],
    shape: tuple[int, int, int],
    residual: bool,
    options: dict[str, Any],
) -> None:
    channels, k = sizes
    ach = AdaptiveCrossHadamard(channels, k, norm=norm, **options)
    block = trained(AdaptiveBottleneck(channels, channels if residual else 5, ach, *conv), alpha)
    fast = assert_same_function(block, torch.randn(shape[0], channels, *shape[1:]).double())
    assert isinstance(fast, SplitBottleneck)


@QUICK
@given(
    st.integers(1, 40),
    st.sampled_from([0.5, 1.0, 2.0, 3.7]),
    st.sampled_from([(1, 1), (3, 1), (5, 1), (2, 2)]),
    st.tuples(st.integers(1, 3), st.integers(2, 9), st.integers(2, 9)),
    st.booleans(),
)
def test_ghost_bottleneck(
    channels: int, expansion: float, conv: tuple[int, int], shape: tuple[int, int, int], residual: bool
) -> None:
    ghost = GhostExpansion(channels, expansion)
    block = trained(AdaptiveBottleneck(channels, channels if residual else 5, ghost, *conv))
    fast = assert_same_function(block, torch.randn(shape[0], channels, *shape[1:]).double())
    assert isinstance(fast, SplitBottleneck)


@pytest.mark.parametrize(("channels", "k"), [(32, 32), (48, 33), (16, 16), (96, 16), (36, 36)])
def test_channels_come_in_blocks(channels: int, k: int) -> None:
    block = trained(AdaptiveBottleneck(channels, 8, AdaptiveCrossHadamard(channels, k), 5))
    fast = assert_same_function(block, torch.randn(2, channels, 5, 7).double())
    widths = [conv.in_channels for conv in fast.modules() if isinstance(conv, nn.Conv2d) and conv.groups > 1]
    assert widths == [-(-n // BLOCK) * BLOCK for n in (channels, k * (k - 1) // 2)]


@QUICK
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(9, 14), st.integers(9, 14)),  # the largest kernel has 9 x 9
    st.booleans(),
)
def test_composition(
    inner: tuple[int, int, int], outer: tuple[int, int], size: tuple[int, int], separate: bool
) -> None:
    """Whatever the sizes, rounding down included; None only where one convolution multiplies more."""
    channels = (4, 4, 4) if separate else (2, 5, 4)
    groups = 4 if separate else 1
    first = nn.Conv2d(channels[0], channels[1], *inner, groups=groups).double()
    second = nn.Conv2d(channels[1], channels[2], *outer, groups=groups).double()
    both = composed(first, second)
    if both is None:
        kernel = inner[1] * (outer[0] - 1) + inner[0]
        apart = first.weight.numel() * outer[1] ** 2 + second.weight.numel()
        assert kernel**2 * (channels[0] // groups) * channels[2] > apart
    else:
        x = torch.randn(2, channels[0], *size).double()
        torch.testing.assert_close(both(x), second(first(x)))


def test_no_composition_through_padding_or_between_kinds() -> None:
    dense, padded = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, padding=1)
    separate, grouped = nn.Conv2d(4, 4, 1, groups=4), nn.Conv2d(4, 4, 1, groups=2)
    assert composed(dense, padded) is None
    assert composed(dense, separate) is None and composed(separate, dense) is None
    assert composed(grouped, grouped) is None
    assert composed(dense, nn.Conv2d(4, 4, 1)) is not None


def test_a_constant_stays_ahead_of_padding() -> None:
    """What DySoft's bias adds differs at the border: it is folded only where the depthwise convolution does not pad."""

    def added(kernel: int, stride: int) -> bool:
        block = trained(AdaptiveBottleneck(16, 16, AdaptiveCrossHadamard(16, 6), kernel, stride))
        fast = assert_same_function(block, torch.randn(1, 16, 6, 6).double())
        return any(isinstance(part, nn.BatchNorm2d) for part in fast.modules())

    assert added(3, 1) and added(7, 1)
    assert not added(2, 2) and not added(1, 1)


@pytest.mark.parametrize("options", WITHOUT_A_FAST_FORM)
def test_what_has_no_fast_form_stays(options: dict[str, Any]) -> None:
    model = trained(nn.Sequential(AdaptiveBottleneck(16, 16, AdaptiveCrossHadamard(16, 6, **options), 3)))
    fast = assert_same_function(model, torch.randn(2, 16, 6, 6).double())
    assert [type(part) for part in fast.modules()] == [type(part) for part in model.modules()]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("batch", [1, 3])
def test_ach_anywhere_in_a_model(norm: str, batch: int) -> None:
    ach = AdaptiveCrossHadamard(7, 4, norm=norm)
    model = trained(nn.ModuleDict({"a": nn.Sequential(nn.Conv2d(3, 7, 1), ach), "b": nn.Linear(13, 2)}))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = model

        def forward(self, x: Tensor) -> Tensor:
            return self.parts["b"](self.parts["a"](x).mean((2, 3)))  # type: ignore[no-any-return]

    assert_same_function(Net().eval(), torch.randn(batch, 3, 5, 4).double())


def test_subclasses_stay() -> None:
    class Noisy(AdaptiveBottleneck):
        def forward(self, x_BCHW: Tensor) -> Tensor:
            return 2 * super().forward(x_BCHW)

    model = trained(nn.Sequential(Noisy(16, 16, GhostExpansion(16, 2.0), 3)))
    assert isinstance(assert_same_function(model, torch.randn(1, 16, 4, 4).double())[0], Noisy)


def test_only_neighbours_without_activation_are_composed() -> None:
    plain, act, padded = ConvNormAct(3, 8, 2, 2, act=False), ConvNormAct(3, 8, 2, 2), ConvNormAct(8, 4, 3)
    for first, second, one in (
        (plain, ConvNormAct(8, 4, 2, 2), True),
        (act, ConvNormAct(8, 4, 2, 2), False),
        (plain, padded, False),
    ):
        model = trained(nn.Sequential(copy.deepcopy(first), second))
        fast = assert_same_function(model, torch.randn(2, 3, 9, 11).double())
        assert sum(isinstance(part, nn.Conv2d) for part in fast.modules()) == (1 if one else 2)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("hadaptive_net_s", {}),
        ("hadaptive_net_s", {"norm": "crosshada", "score": "evaluation"}),
        ("hadaptive_net_m", {"as_released": True}),
        ("hadaptive_net_l", {"as_released": True, "num_classes": 0}),
    ],
)
def test_hadaptive_nets(name: str, options: dict[str, Any]) -> None:
    model = trained(create_model(name, **{"num_classes": 10, **options}))
    assert_same_function(model, torch.randn(2, 3, 64, 65).double())


def test_a_retrofitted_model() -> None:
    model = trained(create_model("mobilenetv3_small_100", 10, retrofit="paper"))
    fast = assert_same_function(model, torch.randn(2, 3, 64, 64).double())
    assert not any(isinstance(part, AdaptiveCrossHadamard) for part in fast.modules())


def test_too_small_an_image_is_said_as_before() -> None:
    with pytest.raises(ValueError, match="64x64"):
        fast_form(create_model("hadaptive_net_l", 10))(torch.zeros(1, 3, 32, 32))


def test_the_model_and_random_numbers_are_left_alone() -> None:
    model = create_model("hadaptive_net_s", 10)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    generator = torch.get_rng_state()
    fast = fast_form(model)
    assert torch.equal(torch.get_rng_state(), generator)
    assert model.training and not fast.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert {value.dtype for value in fast.parameters()} == {torch.float32}
    assert not any(value.requires_grad for value in fast.parameters())


def test_a_model_without_ach_is_its_inference_form(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Hardswish())
    fast, plain = (export_onnx(model, tmp_path / str(fast), 16, fast=fast).read_bytes() for fast in (True, False))
    assert fast == plain
    x = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(fast_form(model)(x), inference_form(model)(x), rtol=1e-6, atol=1e-6)


def test_the_graph_is_what_was_meant(tmp_path: Path) -> None:
    graph = onnx.load(export_onnx(create_model("hadaptive_net_s", 10), tmp_path / "s.onnx", 64)).graph
    count = Counter(node.op_type for node in graph.node)
    assert (count["Softsign"], count["TopK"], count["BatchNormalization"]) == (6, 6, 6)
    assert count["Conv"] == 68 and count["Mul"] == 6
    assert not {"Concat", "GatherElements", "GatherND", "Gemm", "MatMul", "Div"} & set(count)
    groups = [a.i for node in graph.node for a in node.attribute if a.name == "group" and a.i > 1]
    assert len(groups) == 24 and not any(n % BLOCK for n in groups)


def test_depthwise_takes_its_weights_as_they_are() -> None:
    conv = depthwise(torch.arange(18.0).view(2, 1, 3, 3), torch.ones(2), 2, 1)
    assert (conv.groups, conv.stride, conv.padding) == (2, (2, 2), (1, 1))
    assert conv(torch.ones(1, 2, 3, 3))[0, :, 0, 0].tolist() == [4 + 5 + 7 + 8 + 1, 13 + 14 + 16 + 17 + 1]
