"""Every model by name: ours, timm's, torchvision's. Never a pretrained weight, never a download."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Any, cast

from torch import nn

from hadaptive.nn.onednn import cured

# By name and not by import: what a baseline's code depends on must not contain our nets.
_OURS = {
    **{f"hadaptive_net_{size}": "hadaptive.nn.hadaptive_net" for size in "sml"},
    "hadaptive_net_found": "hadaptive.nn.found",
}


def _source(name: str) -> str:
    """Where a model comes from: "ours", "timm" or "torchvision". Raises ValueError for an unknown name."""
    if name in _OURS:
        return "ours"
    timm, torchvision = import_module("timm"), import_module("torchvision.models")
    if timm.is_model(name):
        return "timm"
    if name in torchvision.list_models():
        return "torchvision"
    names = [*_OURS, *timm.list_models(), *torchvision.list_models()]
    near = ", ".join(difflib.get_close_matches(name, names, n=4, cutoff=0.5)) or "none"
    raise ValueError(f"unknown model {name!r}; nearest known names: {near}")


def create_model(name: str, num_classes: int = 100, **options: Any) -> nn.Module:
    """An untrained model, ours, else timm's, else torchvision's by that name: [B, 3, H, W] -> [B, num_classes].

    `options` go to the model's own constructor, but for `retrofit`: which of its blocks ACH replaces, "paper" or the
    arguments of `hadaptive.nn.retrofit.retrofit`. Raises ValueError for an unknown name, naming the nearest.
    """
    source = _source(name)
    retrofit = options.pop("retrofit", None)
    if source == "ours":
        model = getattr(import_module(_OURS[name]), name)(num_classes=num_classes, **options)
    elif source == "timm":
        model = import_module("timm").create_model(name, pretrained=False, num_classes=num_classes, **options)
    else:
        model = import_module("torchvision.models").get_model(name, weights=None, num_classes=num_classes, **options)
    if retrofit is not None:
        model = import_module("hadaptive.nn.retrofit").retrofit_named(model, name, retrofit)
    return cured(cast(nn.Module, model))


def reparameterize(model: nn.Module) -> nn.Module:
    """A copy of the model in eval mode, parallel branches fused where it has them (MobileOne, GhostNetV3).

    Same function up to rounding, fewer parameters; a model without such branches comes back as a plain copy.
    """
    fused = import_module("timm.utils").reparameterize_model(model, inplace=False)
    return cast(nn.Module, fused.eval())


def min_image_size(name: str, **options: Any) -> int:
    """The smallest square input, in pixels: exact for our nets and GhostNetV3, 32 (five halvings) for the others.

    `options` as for `create_model`. Raises ValueError for an unknown name.
    """
    if _source(name) == "ours":
        module = import_module(_OURS[name])
        return int(module.min_image_size(module.rows_of(name, options)))
    return 33 if name.startswith("ghostnetv3") else 32  # GhostNetV3 halves once more, inside its last blocks
