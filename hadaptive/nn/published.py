"""One architecture of timm's for every model of the zoo, so that timm can load what it does not build by itself.

A folder that `hadaptive.publish` writes says how its model is built, in timm's own format. Where timm has that model,
or has it from `hadaptive.nn.hadaptive_net`, timm's name says it; a retrofit, a model of torchvision's, or one that a
search found is `hadaptive_zoo` with its name and options as arguments. Importing this module registers all of them.
"""

from __future__ import annotations

from typing import Any

import timm
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn

from hadaptive.nn import hadaptive_net
from hadaptive.nn.zoo import create_model

__all__ = ["architecture", "hadaptive_zoo"]

ZOO = "hadaptive_zoo"
OURS_ALONE = {"retrofit", "conv_bias"}  # options of `create_model` that are no argument of a model's builder
DEFAULT = {"url": "", "num_classes": 1000, "input_size": (3, 224, 224), "first_conv": None, "classifier": None}
default_cfgs = generate_default_cfgs({f"{ZOO}.untrained": DEFAULT})


def architecture(name: str, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The architecture of timm's that builds a model of the zoo, and its arguments besides the number of classes."""
    if (name in hadaptive_net.NETS or timm.is_model(name)) and not OURS_ALONE & options.keys():
        return name, dict(options)
    return ZOO, {"zoo_name": name, "zoo_options": dict(options)}


@register_model
def hadaptive_zoo(pretrained: bool = False, **options: Any) -> nn.Module:
    """A model of `hadaptive.nn.zoo`: `zoo_name`, `zoo_options` and `num_classes` go to its `create_model`."""
    return build_model_with_cfg(_built, ZOO, pretrained, kwargs_filter=("global_pool",), **options)


def _built(zoo_name: str, zoo_options: dict[str, Any], num_classes: int, in_chans: int = 3) -> nn.Module:
    if in_chans != 3:
        raise ValueError(f"in_chans={in_chans}: models of the zoo take images of 3 channels")
    model = create_model(zoo_name, num_classes, **zoo_options)
    model.num_classes = num_classes  # type: ignore[assignment]
    if not hasattr(model, "num_features"):  # torchvision's; timm writes it into config.json
        last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
        model.num_features = last.in_features  # type: ignore[assignment]
    return model
