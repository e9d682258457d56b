"""Feature maps of a model, for detectors: any model of ours, timm's or torchvision's, without its classifier."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from hadaptive.nn.onednn import Depthwise, StridedPointwise, cured
from hadaptive.nn.zoo import create_model

STRIDES = (8, 16, 32, 64)  # that a model may have a map of; Hadaptive-Net-L alone has one of 64


class FeatureMaps(nn.Module):
    """[B, 3, H, W] -> a map for each of `strides`, the last that the model computes at that stride, by name.

    Attributes:
        strides: pixels of the image between neighbours of each map, ascending: 8, 16, 32 and, where there is one, 64.
        out_channels: channels of each map (the name torchvision's detectors look for).
    """

    def __init__(self, body: nn.Module, kept: list[int], strides: list[int], out_channels: list[int]) -> None:
        super().__init__()
        self.body, self.kept, self.strides, self.out_channels = body, kept, strides, out_channels

    def forward(self, x_BCHW: Tensor) -> OrderedDict[str, Tensor]:
        maps = self.body(x_BCHW)
        return OrderedDict((str(stride), maps[n]) for n, stride in zip(self.kept, self.strides, strict=True))


class _Taps(nn.Module):
    """The layers of a sequence one after the other; the outputs of some of them."""

    def __init__(self, layers: nn.Sequential, taps: list[int]) -> None:
        super().__init__()
        self.layers, self.taps = layers, frozenset(taps)

    def forward(self, x_BCHW: Tensor) -> list[Tensor]:
        maps = []
        for n, layer in enumerate(self.layers):
            x_BCHW = layer(x_BCHW)
            if n in self.taps:
                maps.append(x_BCHW)
        return maps


class _Named(nn.Module):
    """A torchvision feature extractor; its outputs as a list."""

    def __init__(self, extractor: nn.Module) -> None:
        super().__init__()
        self.extractor = extractor

    def forward(self, x_BCHW: Tensor) -> list[Tensor]:
        return list(self.extractor(x_BCHW).values())


def feature_maps(name: str, **options: Any) -> FeatureMaps:
    """Return an untrained model of the zoo that gives feature maps. Raises ValueError for one that cannot.

    timm's models use its `features_only`; ours the last row at each stride in the same way (so the 960 channels of the
    last convolution, as timm has MobileNetV3's 576); torchvision's by its feature extraction from their children.
    """
    if "retrofit" in options:
        raise ValueError(f"{name}: a retrofitted net gives no feature maps; leave the variant out of `detection`")
    import timm

    if name.startswith("hadaptive_net"):
        return _ours(create_model(name, num_classes=0, **options))
    if not timm.is_model(name):
        return _torchvision(name, create_model(name, **options))
    try:
        body = cured(timm.create_model(name, pretrained=False, features_only=True, **options))
    except (RuntimeError, AttributeError) as error:
        raise ValueError(f"{name}: timm makes no feature maps of it ({error})") from None
    info: Any = body.feature_info
    strides, widths = info.reduction(), info.channels()
    kept = [n for n, stride in enumerate(strides) if stride in STRIDES]
    return _checked(name, FeatureMaps(body, kept, [strides[n] for n in kept], [widths[n] for n in kept]))


def _ours(model: nn.Module) -> FeatureMaps:
    rows = model.features
    assert isinstance(rows, nn.Sequential)
    taps_of = _last_at_each_stride(model, list(rows))
    taps = list(taps_of)
    return FeatureMaps(
        _Taps(rows, taps),
        list(range(len(taps))),
        [stride for stride, _ in taps_of.values()],
        [width for _, width in taps_of.values()],
    )


def _torchvision(name: str, model: nn.Module) -> FeatureMaps:
    children = list(model.named_children())
    last = _last_at_each_stride(model, [child for _, child in children])
    whole = {"leaf_modules": [Depthwise, StridedPointwise]}  # as nn.Conv2d is: the tracer looks into neither
    body = _Named(create_feature_extractor(model, [children[n][0] for n in last], tracer_kwargs=whole))
    strides, widths = ([pair[part] for pair in last.values()] for part in (0, 1))
    return _checked(name, FeatureMaps(body, list(range(len(last))), strides, widths))


def _last_at_each_stride(model: nn.Module, parts: list[nn.Module]) -> dict[int, tuple[int, int]]:
    """Map the last of `parts` at each stride, by number, to (stride, channels), from one pass of zeros."""
    side, shapes = 256, {}

    def note(n: int) -> Any:
        def hook(_: nn.Module, __: Any, out: Any) -> None:
            if isinstance(out, Tensor) and out.ndim == 4:
                shapes[n] = out.shape

        return hook

    hooks = [part.register_forward_hook(note(n)) for n, part in enumerate(parts)]
    was_training = model.training
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, side, side))
    model.train(was_training)
    for hook in hooks:
        hook.remove()
    last = {side // shape[2]: (n, shape[1]) for n, shape in shapes.items() if side // shape[2] in STRIDES}
    return {n: (stride, width) for stride, (n, width) in sorted(last.items())}


def _checked(name: str, maps: FeatureMaps) -> FeatureMaps:
    if maps.strides[:3] != [8, 16, 32]:
        raise ValueError(f"{name} gives feature maps of strides {maps.strides or 'none'}; a detector needs 8, 16, 32")
    return maps
