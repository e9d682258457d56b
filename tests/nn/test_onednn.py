"""Convolutions computed otherwise than by oneDNN: the same functions, exactly the layers concerned, nothing else."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from hadaptive import config
from hadaptive.nn import onednn, zoo
from hadaptive.nn.features import feature_maps
from hadaptive.nn.onednn import Depthwise, StridedPointwise, cured
from hadaptive.nn.zoo import create_model, reparameterize
from hadaptive.search import supernet
from hadaptive.search.supernet import SuperNet
from hadaptive.space import Space
from tests.nn.gradient_worker import candidates

LAYOUTS = [torch.channels_last, torch.contiguous_format]


def concerned(model: nn.Module) -> list[str]:
    return [name for name, layer in model.named_modules() if isinstance(layer, StridedPointwise)]


def pair(*arguments: Any, **options: Any) -> tuple[nn.Conv2d, nn.Module]:
    """A plain convolution and its cured copy."""
    plain = nn.Conv2d(*arguments, **options)
    return plain, cured(nn.Sequential(copy.deepcopy(plain)))[0]


@settings(deadline=None, max_examples=40)
@given(
    channels=st.integers(1, 15),
    out=st.integers(1, 20),
    stride=st.tuples(st.integers(1, 4), st.integers(2, 4)),
    size=st.tuples(st.integers(1, 11), st.integers(1, 11)),
    bias=st.booleans(),
    layout=st.sampled_from(LAYOUTS),
    padding=st.sampled_from([0, "valid"]),
)
def test_the_same_function_and_gradients(
    channels: int, out: int, stride: Any, size: Any, bias: bool, layout: torch.memory_format, padding: Any
) -> None:
    pointwise = pair(channels, out, 1, stride, padding, bias=bias, dtype=torch.float64)
    assert type(pointwise[1]) is StridedPointwise
    assert_same(pointwise, torch.randn(2, channels, *size, dtype=torch.float64), layout)


def assert_same(layers: tuple[nn.Module, nn.Module], x: torch.Tensor, layout: torch.memory_format) -> None:
    """Both layers have the same output and the same gradients."""
    seen = []
    for layer in layers:
        layer.to(memory_format=layout)  # type: ignore[call-overload]
        own = x.to(memory_format=layout).clone().requires_grad_()
        y = layer(own)
        torch.sin(y).sum().backward()
        seen.append([y, own.grad, *(parameter.grad for parameter in layer.parameters())])
    torch.testing.assert_close(seen[1], seen[0], rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    kernel=st.tuples(st.integers(1, 7), st.integers(2, 7)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 3), st.integers(1, 3)),
    size=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    bias=st.booleans(),
    layout=st.sampled_from(LAYOUTS),
)
def test_a_depthwise_convolution_is_the_same(
    kernel: Any, stride: Any, padding: Any, size: Any, bias: bool, layout: torch.memory_format
) -> None:
    assume(all(pixels + 2 * pad >= side for pixels, pad, side in zip(size, padding, kernel, strict=True)))
    depthwise = pair(5, 5, kernel, stride, padding, groups=5, bias=bias, dtype=torch.float64)
    assert type(depthwise[1]) is Depthwise
    assert_same(depthwise, torch.randn(2, 5, *size, dtype=torch.float64), layout)


def test_a_small_map_in_training_alone_takes_the_other_way() -> None:
    layer = pair(4, 4, 5, 1, 2, groups=4)[1]

    def way(size: int) -> str:
        grad_fn = layer(torch.randn(2, 4, size, size)).grad_fn
        return type(grad_fn).__name__

    assert way(4) == "_SummedGradientBackward" and way(5) == "ConvolutionBackward0"
    layer.eval()
    assert way(4) == "ConvolutionBackward0"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_output_lies_in_memory_as_before(layout: torch.memory_format) -> None:
    x = torch.randn(4, 3, 8, 8).to(memory_format=layout)
    strides = [layer.to(memory_format=layout)(x).stride() for layer in pair(3, 48, 1, 2)]
    assert strides[0] == strides[1]


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((16, 8, 1, 2), {}),
        ((3, 8, 1, 1), {}),
        ((3, 8, 3, 2), {}),
        ((3, 8, 1, 2, 1), {}),
        ((4, 8, 1, 2), {"groups": 2}),
        ((4, 4, 3, 1), {"groups": 4}),
        ((4, 4, 3, 1, 1), {"groups": 2}),
        ((4, 8, 3, 1, 1), {"groups": 4}),
        ((4, 4, 3, 1, 1, 2), {"groups": 4}),
        ((4, 4, 3, 1, 1), {"groups": 4, "padding_mode": "reflect"}),
        ((4, 4, 3, 1, "same"), {"groups": 4}),
    ],
)
def test_other_convolutions_stay(arguments: tuple[int, ...], options: dict[str, Any]) -> None:
    assert type(pair(*arguments, **options)[1]) is nn.Conv2d


def test_a_copy_a_pickle_a_compiled_one() -> None:
    _, layer = pair(3, 4, 1, 2)
    x = torch.randn(2, 3, 6, 6)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), torch.compile(layer, backend="eager")):
        assert torch.equal(other(x), layer(x))


@pytest.mark.parametrize("arguments", [(3, 4, 1, 2), (4, 4, 5, 1, 2, 1, 4)])
def test_a_symbolic_trace_has_the_plain_layer(arguments: tuple[int, ...]) -> None:
    _, layer = pair(*arguments)
    assert type(layer) is not nn.Conv2d
    x = torch.randn(2, arguments[0], 3, 3)
    torch.testing.assert_close(torch.fx.symbolic_trace(nn.Sequential(layer))(x), layer(x))


def test_a_compiled_depthwise_convolution_has_the_same_gradient() -> None:
    _, layer = pair(4, 4, 5, 1, 2, groups=4)
    x = torch.randn(2, 4, 3, 3)
    gradients = []
    for each in (layer, torch.compile(layer, backend="aot_eager", fullgraph=True)):
        layer.zero_grad()
        torch.sin(each(x)).sum().backward()
        gradients.append(layer.get_parameter("weight").grad)
    assert torch.equal(*gradients)


def zoo_models() -> list[str]:
    return list(config.load().zoo)


@pytest.mark.parametrize("name", zoo_models())
def test_which_layers_of_the_zoo(name: str) -> None:
    with torch.device("meta"):
        model = create_model(name)
    assert concerned(model) == (["stem.conv_scale.conv"] if name.startswith("mobileone") else [])


def test_which_layers_of_detectors_and_of_search_spaces() -> None:
    params = config.load()
    assert not [name for name in params.detection if concerned(feature_maps(name))]
    with torch.device("meta"):
        assert not [name for name, space in params.search.items() if concerned(cured(candidates(space)))]
    assert len(concerned(feature_maps("mobileone_s0"))) == 1
    traced = feature_maps("shufflenet_v2_x1_0")
    assert any(isinstance(layer, Depthwise) for layer in traced.modules()), "torchvision's tracer leaves them whole"


def test_a_space_may_have_such_layers() -> None:
    layers = [{"out": 8, "kernel": 1, "stride": 2, "choose": ["conv"]}] * 2
    space = Space.model_validate({"about": "strided", "candidates": {"conv": {"op": "conv"}}, "layers": layers})
    assert len(concerned(SuperNet(space, 10))) == 2


def test_parameters_and_random_numbers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(build: Callable[[], nn.Module]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        torch.manual_seed(0)
        return build().state_dict(), torch.get_rng_state()

    space = config.load().search["table3"]
    builds = [lambda: create_model("mobileone_s0"), lambda: SuperNet(space, 10)]
    with_cure = [made(build) for build in builds]
    monkeypatch.setattr(zoo, "cured", lambda model: model)
    monkeypatch.setattr(supernet, "cured", lambda model: model)
    for (state, random), build in zip(with_cure, builds, strict=True):
        plain, same = made(build)
        assert list(state) == list(plain) and torch.equal(random, same)
        assert all(torch.equal(state[name], plain[name]) for name in state)


def test_mobileone_still_fuses() -> None:
    model = create_model("mobileone_s0", 10).eval()
    x = torch.randn(2, 3, 32, 32)
    fused = reparameterize(model)
    assert not concerned(fused)
    with torch.no_grad():
        torch.testing.assert_close(fused(x), model(x), rtol=1e-4, atol=1e-5)


def test_elsewhere_than_on_a_cpu_it_is_the_plain_layer() -> None:
    layer = onednn.StridedPointwise(3, 4, 1, 2, device="meta")
    assert layer(torch.empty(1, 3, 8, 8, device="meta")).shape == (1, 4, 4, 4)
