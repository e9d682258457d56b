"""Every model by name: ours, timm's, torchvision's. Never a pretrained weight, never a download."""

from __future__ import annotations

import difflib
from types import ModuleType
from typing import Any, cast

from torch import nn

from hadaptive.nn.onednn import cured

OURS = ("hadaptive_net_s", "hadaptive_net_m", "hadaptive_net_l", "hadaptive_net_found")


def _home(name: str) -> ModuleType:
    """Return the module of one of our models, imported where one is made: it brings the operator's kernels with it."""
    from hadaptive.nn import found, hadaptive_net

    return found if name == "hadaptive_net_found" else hadaptive_net


def _source(name: str) -> str:
    """Return where a model comes from: "ours", "timm" or "torchvision". Raises ValueError for an unknown name."""
    import timm
    from torchvision import models

    if name in OURS:
        return "ours"
    if timm.is_model(name):
        return "timm"
    if name in models.list_models():
        return "torchvision"
    names = [*OURS, *timm.list_models(), *models.list_models()]
    near = ", ".join(difflib.get_close_matches(name, names, n=4, cutoff=0.5)) or "none"
    raise ValueError(f"unknown model {name!r}; nearest known names: {near}")


def create_model(name: str, num_classes: int = 100, **options: Any) -> nn.Module:
    """Return an untrained model, ours, else timm's, else torchvision's by that name: [B, 3, H, W] -> [B, num_classes].

    `options` go to the model's own constructor, save two. `retrofit`: which of its blocks ACH replaces, "paper" or the
    arguments of `hadaptive.nn.retrofit.retrofit`. `conv_bias=False`: no convolution has a bias, as in the paper's own
    build of StarNet. Raises ValueError for an unknown name, naming the nearest, and for another `conv_bias`.
    """
    import timm
    from torchvision import models

    source = _source(name)
    retrofit, conv_bias = options.pop("retrofit", None), options.pop("conv_bias", True)
    if not isinstance(conv_bias, bool):
        raise ValueError(f"conv_bias={conv_bias!r}: give false for convolutions without bias, or leave it out")
    if source == "ours":
        model = getattr(_home(name), name)(num_classes=num_classes, **options)
    elif source == "timm":
        model = timm.create_model(name, pretrained=False, num_classes=num_classes, **options)
    else:
        model = models.get_model(name, weights=None, num_classes=num_classes, **options)
    if not conv_bias:
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.bias = None
    if retrofit is not None:
        from hadaptive.nn.retrofit import retrofit_named

        model = retrofit_named(model, name, retrofit)
    return cured(cast(nn.Module, model))


def reparameterize(model: nn.Module) -> nn.Module:
    """Return a copy of the model in eval mode, parallel branches fused where it has them (MobileOne, GhostNetV3).

    Same function up to rounding, fewer parameters; a model without such branches comes back as a plain copy.
    """
    from timm.utils.model import reparameterize_model

    fused = reparameterize_model(model, inplace=False)
    return fused.eval()


def min_image_size(name: str, **options: Any) -> int:
    """Return the smallest square input, in pixels: exact for our models and GhostNetV3, 32 (five halvings) otherwise.

    `options` as for `create_model`. Raises ValueError for an unknown name.
    """
    if _source(name) == "ours":
        module = _home(name)
        return int(module.min_image_size(module.rows_of(name, options)))
    return 33 if name.startswith("ghostnetv3") else 32  # GhostNetV3 halves once more, inside its last blocks
