"""The layers of Hadaptive-Net as they are built, in the words of Table 9, with shapes and counts.

Everything is read off the modules: their types, attributes and, by one forward pass on the meta device, sizes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hadaptive.measure.record import build
from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.blocks import AdaptiveBottleneck, ConvNormAct, GhostExpansion
from hadaptive.nn.hadaptive_net import HadaptiveNet
from hadaptive.record import envelope
from hadaptive.run import ModelMeasure

NORMS = {"BatchNorm2d": "BN"}
ACTIVATIONS = {"Hardswish": "HS"}  # the paper's abbreviations


def record(measure: ModelMeasure) -> dict[str, Any]:
    """Return the record of a measure of kind "structure": `layers`, as the function of that name gives them."""
    return envelope(measure, {"layers": layers(build(measure), measure.settings["image_size"])})


def layers(model: HadaptiveNet, image_size: int) -> list[dict[str, Any]]:
    """List the layers of Table 9: `layer`, `module` (CNA, AB, FN), channels `in` and `out`, and what is its kind's.

    `size` is the side of a layer's output in pixels, `parameters` and `macs` are its own (trained form). The model is
    left on the meta device, without gradients. TypeError for a layer that is no ConvNormAct and no AdaptiveBottleneck.
    """
    sizes: list[int] = []

    def note(_: nn.Module, __: tuple[Tensor, ...], out: Tensor) -> None:
        sizes.append(out.shape[-1])

    model = model.to("meta").eval().requires_grad_(False)
    hooks = [layer.register_forward_hook(note) for layer in model.features]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, image_size, image_size, device="meta"))
    for hook in hooks:
        hook.remove()
    counts = counter.get_flop_counts()

    def macs(*names: str) -> int:  # torch counts two operations per multiply-accumulate
        return sum(sum(counts.get(f"{type(model).__name__}.{name}", {}).values()) for name in names) // 2

    rows = [
        {"layer": n, **_layer(layer), "size": size, "parameters": _parameters(layer), "macs": macs(f"features.{n}")}
        for n, (layer, size) in enumerate(zip(model.features, sizes, strict=True))
    ]
    hidden, _, dropout = model.head
    widths = {"in": hidden.in_features, "hidden": hidden.out_features, "out": model.num_classes}
    costs = {"parameters": _parameters(model.head, model.classifier), "macs": macs("head", "classifier")}
    head = {"layer": len(rows), "module": "FN", **widths, "dropout": dropout.p, "size": 1, **costs}
    return [*rows, head]


def _parameters(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def _layer(module: nn.Module) -> dict[str, Any]:
    if isinstance(module, ConvNormAct):
        return {"module": "CNA", **_convolution(module)}
    if not isinstance(module, AdaptiveBottleneck):
        raise TypeError(f"a {type(module).__name__} is not a layer of Hadaptive-Net")
    depthwise = _convolution(module.depthwise)
    return {
        "module": "AB",
        "in": _width(module.expansion),
        "out": _convolution(module.project)["out"],
        "expansion": _expansion(module.expansion),
        "width": depthwise["out"],
        "kernel": depthwise["kernel"],
        "stride": depthwise["stride"],
        "residual": module.residual,
    }


def _convolution(module: ConvNormAct) -> dict[str, Any]:
    conv, norm, *act = module
    assert isinstance(conv, nn.Conv2d)
    return {
        "in": conv.in_channels,
        "out": conv.out_channels,
        "kernel": conv.kernel_size[0],
        "stride": conv.stride[0],
        "norm": NORMS.get(type(norm).__name__, type(norm).__name__),
        "act": ACTIVATIONS.get(type(act[0]).__name__, type(act[0]).__name__) if act else None,
    }


def _width(expansion: nn.Module) -> int:
    if isinstance(expansion, AdaptiveCrossHadamard):
        return expansion.channels
    if isinstance(expansion, GhostExpansion):
        return int(_convolution(expansion.primary)["in"])
    raise TypeError(f"a {type(expansion).__name__} is not an expansion of Hadaptive-Net")


def _expansion(module: nn.Module) -> dict[str, Any]:
    if isinstance(module, AdaptiveCrossHadamard):
        return {"kind": "ACH", **cross_hadamard(module)}
    assert isinstance(module, GhostExpansion)
    cheap = _convolution(module.cheap)
    return {"kind": "Ghost", "times": module.out_channels / _width(module), "s": cheap["in"], "kernel": cheap["kernel"]}


def cross_hadamard(ach: AdaptiveCrossHadamard) -> dict[str, Any]:
    """Return what an ACH is made of (Figure 2); what it has not is null."""
    score = ach.score
    return {
        "channels": ach.channels,
        "k": ach.k,
        "products": ach.out_channels - ach.channels,
        "out": ach.out_channels,
        "pointwise": ach.pointwise.kernel_size[0] if isinstance(ach.pointwise, nn.Conv2d) else None,
        "bn": type(ach.bn).__name__,
        "score": None if score is None else type(score).__name__,
        "score_kernel": score.kernel_size[0] if isinstance(score, nn.Conv1d) else None,
        "selection": ach.selection,
        "norm": type(ach.norm).__name__,
        "product_of": ach.product_of,
    }
