"""Computes every convolution of every model and compares with float64; tests/nn/test_gradients.py starts it.

One JSON report on standard output. The numbers are small integers: every product and every partial sum is below 2^24,
exact in float32 in whatever order they are added. So the tolerance is zero: a gradient is wrong where it differs at all
from the one in float64.

Layers are computed in forked processes, a group in each. Where a group dies, or computes anything wrongly, each of its
layers is computed again in a process of its own: so a fault has the name of its layer, and spoils no other.

The word `uncured` takes the cure of `hadaptive.nn.onednn` away, from a model that needs it.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.conv import _ConvNd

from hadaptive import config
from hadaptive.nn import onednn
from hadaptive.nn.features import feature_maps
from hadaptive.nn.zoo import create_model
from hadaptive.search.supernet import _module
from hadaptive.space import Space

BATCH = 16  # with one thread, PyTorch gives 1x1 convolutions of fewer images to another library
WORK = 1e6  # multiply-accumulates of a forward pass: 32 px near the stem, few pixels where channels are many
GROUP = 16  # layers computed in one process
EXACT = 2**24  # up to here float32 holds every integer


class WrongGradient(nn.Conv2d):
    """A convolution with one entry of its weight gradient off by one: what the audit must find."""

    def forward(self, input: Tensor) -> Tensor:
        def off_by_one(gradient: Tensor) -> Tensor:
            gradient = gradient.clone()
            gradient[0, 0, 0, 0] += 1
            return gradient

        weight = self.weight.clone()
        weight.register_hook(off_by_one)
        return self._conv_forward(input, weight, self.bias)


class Crash(nn.Conv2d):
    """A convolution in which the process dies: what the audit must survive and name."""

    def forward(self, input: Tensor) -> Tensor:
        os.abort()


PLANTED: tuple[type[nn.Conv2d], ...] = (WrongGradient, Crash)


def candidates(space: Space) -> nn.Module:
    """Every candidate of every layer, without the supernet around them, which the meta device cannot build."""
    layers = zip(space.layers, space.widths(), strict=True)
    return nn.ModuleList(
        _module(space, number, name, width) for number, (layer, width) in enumerate(layers) for name in layer.choose
    )


def models() -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """Every model for images that params.yaml knows: zoo, variants, backbones of detectors, search spaces."""
    params = config.load()
    for name in params.zoo:
        yield name, lambda name=name: create_model(name)
    for variant, spec in params.variants.items():
        for name in set(spec.of) & set(params.zoo):
            yield f"{name}/{variant}", lambda name=name, spec=spec: create_model(name, **spec.options)
    for name in set(params.detection) - set(params.zoo):  # the others have the zoo's layers
        yield f"detection {name}", lambda name=name: feature_maps(name)
    for name, space in params.search.items():
        yield f"search {name}", lambda space=space: candidates(space)


def built(build: Callable[[], nn.Module]) -> nn.Module:
    """The model without weights where it can be had so (meta device), else with them."""
    try:
        with torch.device("meta"):
            return build()
    except (RuntimeError, ValueError):  # some run a layer while they are built
        return build()


def arguments(layer: nn.Module) -> tuple[Any, ...]:
    """What tells one convolution from another: its class and its constructor's arguments."""
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
    return (type(layer), *(getattr(layer, name) for name in names), layer.bias is not None)


def collected(models: Iterable[tuple[str, Callable[[], nn.Module]]]) -> dict[tuple[Any, ...], list[str]]:
    """Distinct convolutions -> the models that have them."""
    layers: dict[tuple[Any, ...], list[str]] = {}
    for name, build in models:
        for layer in built(build).modules():
            if isinstance(layer, nn.Conv2d):
                having = layers.setdefault(arguments(layer), [])
                if name not in having:
                    having.append(name)
            else:
                # ACH's score, which has one channel: see tests/nn/test_ach.py
                assert not isinstance(layer, _ConvNd) or layer.in_channels == 1, type(layer)
    return layers


def side(layer: nn.Conv2d) -> int:
    """Height and width of the input: as many pixels as WORK allows, an even number of strides."""
    out = 16
    while out > 2 and BATCH * out**2 * layer.weight.numel() > WORK:
        out //= 2
    return max(out * layer.stride[0], *layer.kernel_size)


def integers(*shape: int) -> Tensor:
    return torch.randint(-2, 3, shape).float()


def reference(layer: nn.Conv2d, x_BCHW: Tensor) -> Tensor:
    """The convolution as a matrix product of patches, in float64: oneDNN takes no part."""
    weight = layer.weight
    padded = F.pad(x_BCHW, layer._reversed_padding_repeated_twice)
    patches_BPL = F.unfold(padded, layer.kernel_size, layer.dilation, stride=layer.stride)
    patches_BGKL = patches_BPL.unflatten(1, (layer.groups, -1))
    weight_GOK = weight.flatten(1).unflatten(0, (layer.groups, -1))
    return (weight_GOK @ patches_BGKL).flatten(1, 2)


def fault(arguments: tuple[Any, ...], layout: torch.memory_format, small: bool = False) -> str:
    """What it computes wrongly: "" or some of output and gradients. `small`: the map is smaller than the kernel."""
    kind, *given, bias = arguments
    layer = kind(*given, bias=bias)
    for parameter in layer.parameters():
        parameter.data = integers(*parameter.shape)
    size = max(layer.kernel_size) - 1 if small else side(layer)
    x = integers(BATCH, layer.in_channels, size, size)
    exact = nn.Conv2d(*given, bias=bias).double()
    exact.load_state_dict(layer.state_dict())
    x_exact = x.double().requires_grad_()
    with torch.backends.mkldnn.flags(enabled=False):
        expected = reference(exact, x_exact)
        if bias:
            expected = expected + exact.bias[:, None]
    layer.to(memory_format=layout)
    x = x.to(memory_format=layout).requires_grad_()
    out = layer(x)
    gradient = integers(*out.shape)
    out.backward(gradient.to(memory_format=layout))
    with torch.backends.mkldnn.flags(enabled=False):
        expected.backward(gradient.flatten(2).double())
    pairs = {"output": (out.detach().flatten(2), expected.detach()), "gradient of the input": (x.grad, x_exact.grad)}
    for name, parameter in layer.named_parameters():
        pairs[f"gradient of {name}"] = (parameter.grad, exact.get_parameter(name).grad)
    assert all(want.abs().max() < EXACT for _, want in pairs.values())
    return ", ".join(name for name, (got, want) in pairs.items() if not torch.equal(got.double(), want))


def compute(arguments: tuple[Any, ...], number: int) -> str:
    """What is wrong with a layer. The process dies here, or at the latest in `malloc_trim`, where memory is corrupt."""
    layouts = [torch.channels_last]
    if number % 4 == 0 or arguments[0] in PLANTED:  # contiguous as well, which no training uses: every fourth
        layouts.append(torch.contiguous_format)
    wrong = []
    for layout in layouts:
        torch.manual_seed(number)
        maps = (False, True) if arguments[0] is onednn.Depthwise else (False,)
        wrong += [
            f"wrong {names} ({str(layout).removeprefix('torch.')}{', small map' * small})"
            for small in maps
            if (names := fault(arguments, layout, small))
        ]
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)  # glibc walks through its free memory
    return "; ".join(wrong)


def outcome(group: dict[int, tuple[Any, ...]]) -> tuple[int, str]:
    """Exit code of a forked process that computes these layers, by number, and what they computed wrongly."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, "; ".join(filter(None, (compute(layer, n) for n, layer in group.items()))).encode())
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        wrong = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), wrong


def audit(layers: list[tuple[Any, ...]]) -> dict[int, str]:
    """Number of each layer at fault -> its fault. A fork costs as much as several layers, hence the groups."""
    faults: dict[int, str] = {}
    for group in batched(enumerate(layers), GROUP):
        if outcome(dict(group)) == (0, ""):
            continue
        alone = {number: outcome({number: layer}) for number, layer in group}
        found = {n: f"dies with exit code {code}" if code else wrong for n, (code, wrong) in alone.items()}
        faults |= {number: wrong for number, wrong in found.items() if wrong}
        if not any(found.values()):
            faults[group[0][0]] = f"it and the {len(group) - 1} layers after it fail together, each alone does not"
    return faults


def batched(items: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    """As itertools.batched, which Python 3.11 lacks."""
    iterator = iter(items)
    while group := tuple(islice(iterator, size)):
        yield group


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the planted crash leaves no core file
    if sys.argv[1:] == ["uncured"]:
        onednn._vulnerable = lambda _: False
        layers = collected([("mobileone_s0", lambda: create_model("mobileone_s0"))])
    else:
        layers = collected(models())
    planted = [(kind, 8, 16, (3, 3), (1, 1), (1, 1), (1, 1), 1, False) for kind in PLANTED]
    every = list(chain(planted, layers))
    named = {
        f"{layer[0].__name__}{layer[1:]} of {', '.join(layers.get(layer, ['no model']))}": said
        for number, said in audit(every).items()
        for layer in [every[number]]
    }
    print(json.dumps({"layers": len(layers), "cpu": torch.backends.cpu.get_cpu_capability(), "faults": named}))


if __name__ == "__main__":
    main()
