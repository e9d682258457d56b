"""What retrofit can replace, read off a model's structure: inverted bottlenecks and feed-forward layers.

A part of a model is run once on its own, its parameters zero, with the order of its layers recorded. That tells what no
attribute tells for every library: which layer follows which, whether the part adds its input to its output, what shape
it gives. Nothing is asked of the model as a whole.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_SIZE = (15, 14)  # one odd, one even: a counterpart that rounds differently is found out
_MOST_CONVOLUTIONS = 8


class NotReplaceable(ValueError):
    """Why ACH has no counterpart of a module."""


@dataclass(frozen=True)
class SqueezeExcite:
    """The squeeze-excite part of a block: its hidden width, and its activations as prototypes."""

    hidden: int
    act: nn.Module
    gate: nn.Module


@dataclass(frozen=True)
class Bottleneck:
    """A block of 1x1 and depthwise convolutions, [B, in, H, W] -> [B, out, H', W'], that projects `width` channels.

    `kernel`, `padding` and `dilation` are those of its widest depthwise convolution, the last if several are; `stride`
    is that of the whole block. `act` follows inside the block, `out_act` its last convolution. `residual`: the block
    itself adds its input to its output.
    """

    in_channels: int
    out_channels: int
    width: int
    kernel: int
    stride: int
    padding: int
    dilation: int
    act: nn.Module
    out_act: nn.Module | None
    squeeze_excite: SqueezeExcite | None
    drop_path: nn.Module | None
    residual: bool


@dataclass(frozen=True)
class FeedForward:
    """Two linear layers, channels -> width -> channels, over the last axis of [B, ..., channels]."""

    channels: int
    width: int
    act: nn.Module
    dropout: float


def replaceable(model: nn.Module) -> dict[str, Bottleneck | FeedForward]:
    """Return what retrofit can replace in `model`, by module name, in the model's order.

    Of nested modules the outermost counts, but of an nn.Sequential what lies inside: a stage of one block is no block.
    """
    return dict(_walk("", model))


def _walk(name: str, module: nn.Module) -> Iterator[tuple[str, Bottleneck | FeedForward]]:
    try:
        block = read(module)
    except NotReplaceable:
        block = None
    if block is None or isinstance(module, nn.Sequential):
        inside = [part for child, m in module.named_children() for part in _walk(f"{name}.{child}".lstrip("."), m)]
        if inside:
            yield from inside
            return
    if block is not None:
        yield name, block


def read(module: nn.Module) -> Bottleneck | FeedForward:
    """Return the block's description. Raises NotReplaceable with the reason where it is neither kind."""
    convolutions = [m for m in module.modules() if isinstance(m, nn.Conv2d)]
    linears = [m for m in module.modules() if isinstance(m, nn.Linear)]
    if convolutions:
        return _read_bottleneck(module, convolutions)
    if linears:
        return _read_feed_forward(module, linears)
    raise NotReplaceable("has no convolution and no linear layer")


def _read_bottleneck(block: nn.Module, convolutions: list[nn.Conv2d]) -> Bottleneck:
    if len(convolutions) > _MOST_CONVOLUTIONS or not any(map(_depthwise, convolutions)):
        raise NotReplaceable("is not one block of 1x1 and depthwise convolutions")
    first = convolutions[0]
    order, x, y = _run(block, (2, first.in_channels, *_SIZE))
    if y.ndim != 4:
        raise NotReplaceable("does not give a feature map")
    inner = _squeeze_excite(block)
    inside = set() if inner is None else set(inner.modules())
    order = [m for m in order if m not in inside]
    main = [m for m in order if isinstance(m, nn.Conv2d)]
    projection = _projection_of_a_chain(main)
    deepest = max((m for m in main if _depthwise(m)), key=lambda m: (m.in_channels, main.index(m)))
    kernel, padding, dilation = deepest.kernel_size[0], deepest.padding[0], deepest.dilation[0]
    stride = math.prod(m.stride[0] for m in main)
    if not isinstance(padding, int) or list(y.shape[1:]) != [
        projection.out_channels,
        *((size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for size in _SIZE),
    ]:
        raise NotReplaceable(f"turns {list(x.shape[1:])} into {list(y.shape[1:])}, which one depthwise step does not")
    last = max(i for i, m in enumerate(order) if isinstance(m, nn.Conv2d))
    before = [m for m in order[:last] if _activation(m)]
    after = [m for m in order[last:] if _activation(m)]
    paths = [m for m in block.modules() if type(m).__name__ in ("DropPath", "StochasticDepth")]
    return Bottleneck(
        in_channels=first.in_channels,
        out_channels=projection.out_channels,
        width=projection.in_channels,
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        act=(before or after or [nn.Hardswish()])[-1],
        out_act=after[-1] if after else None,
        squeeze_excite=None if inner is None else _read_squeeze_excite(inner),
        drop_path=paths[0] if paths else None,
        residual=_adds_its_input(x, y),
    )


def _projection_of_a_chain(main: list[nn.Conv2d]) -> nn.Conv2d:
    """Return the last 1x1 convolution. At most one precedes it, the expansion; parallel ones (StarNet) count once."""
    channels, before, steps, projection = main[0].in_channels, 0, 0, None
    deep = False
    for m in main:
        if not _depthwise(m) and (m.kernel_size != (1, 1) or m.groups != 1):
            raise NotReplaceable(f"has a convolution that is neither 1x1 nor depthwise: {m}")
        if m.in_channels == channels:
            before, channels = channels, m.out_channels
            steps += not _depthwise(m)
        elif (m.in_channels, m.out_channels) != (before, channels):
            raise NotReplaceable("its convolutions are no plain chain")
        if _depthwise(m):
            deep = True
        elif deep or steps == 2:
            projection = m
    if projection is None or steps > 2:
        raise NotReplaceable("is no expansion, depthwise convolution and projection")
    return projection


def _read_feed_forward(layer: nn.Module, linears: list[nn.Linear]) -> FeedForward:
    if len(linears) != 2 or {id(p) for p in layer.parameters()} != _ids(linears):
        raise NotReplaceable("is not two linear layers and nothing else that learns")
    first, second = linears
    channels, width = first.in_features, first.out_features
    if (second.in_features, second.out_features) != (width, channels) or width <= channels:
        raise NotReplaceable("does not widen its channels and bring them back")
    order, x, y = _run(layer, (2, 6, channels))
    if [m for m in order if isinstance(m, nn.Linear)] != linears or _adds_its_input(x, y):
        raise NotReplaceable("is more than one linear layer after the other")
    acts = [m for m in order if _activation(m)]
    dropouts = [m.p for m in layer.modules() if isinstance(m, nn.Dropout)]
    return FeedForward(channels, width, acts[-1] if acts else nn.SiLU(), max(dropouts, default=0.0))


def _run(part: nn.Module, shape: tuple[int, ...]) -> tuple[list[nn.Module], Tensor, Tensor]:
    """Leaf modules of `part` in the order they run, an input, and what it makes of it with all parameters zero."""
    x = torch.linspace(-1, 1, math.prod(shape)).view(shape)  # no random numbers: a seed must give the same model
    double = copy.deepcopy(part).to("cpu", torch.float32).eval()
    original = dict(zip(double.modules(), part.modules(), strict=True))
    order: list[nn.Module] = []

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        order.append(original[module])

    for module in double.modules():
        if not any(module.children()):
            module.register_forward_hook(note)
    with torch.no_grad():
        for p in double.parameters():
            p.zero_()
        try:
            y = double(x.clone())  # activations in place must not reach x
        except Exception as error:  # a module of any library, called with an input it may not know
            raise NotReplaceable(f"does not run on a tensor of {list(x.shape)}: {error}") from None
    if not isinstance(y, Tensor):
        raise NotReplaceable("does not give a tensor")
    return order, x, y


def _adds_its_input(x: Tensor, y: Tensor) -> bool:
    if not y.any():
        return False
    if y.shape == x.shape and torch.equal(x, y):
        return True
    raise NotReplaceable("does something else with its input than adding it to what its convolutions give")


def _squeeze_excite(block: nn.Module) -> nn.Module | None:
    """Find the outermost part of `block` of two 1x1 layers, narrow and wide again, and nothing else that learns."""
    for part in list(block.modules())[1:]:
        layers = [m for m in part.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        if len(layers) == 2 and {id(p) for p in part.parameters()} == _ids(layers):
            (narrow_in, hidden), (wide_in, out) = (tuple(m.weight.shape[1::-1]) for m in layers)
            if narrow_in == out and hidden == wide_in < out:
                return part
    return None


def _read_squeeze_excite(part: nn.Module) -> SqueezeExcite:
    layers = [m for m in part.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    acts = [m for m in part.modules() if _activation(m)]
    act, gate = acts if len(acts) == 2 else (nn.ReLU(), nn.Hardsigmoid())
    return SqueezeExcite(layers[0].weight.shape[0], act, gate)


def _ids(modules: list[Any]) -> set[int]:
    return {id(p) for m in modules for p in m.parameters()}


def _depthwise(m: nn.Conv2d) -> bool:
    return m.groups == m.in_channels == m.out_channels > 1


def _activation(m: nn.Module) -> bool:
    return "activation" in type(m).__module__ and not any(m.parameters())
