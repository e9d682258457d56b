"""Modules and models. Exports load on first use, so importing one part never imports the others."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Not `retrofit`: once loaded, the module of that name stands in its place. Import it from there.
_EXPORTS = {
    "AchBottleneck": "hadaptive.nn.counterparts",
    "AchFeedForward": "hadaptive.nn.counterparts",
    "AdaptiveBottleneck": "hadaptive.nn.blocks",
    "AdaptiveCrossHadamard": "hadaptive.nn.ach",
    "CrossHadaNorm": "hadaptive.nn.norms",
    "DyAlge": "hadaptive.nn.norms",
    "DySig": "hadaptive.nn.norms",
    "DySoft": "hadaptive.nn.norms",
    "GhostExpansion": "hadaptive.nn.blocks",
    "HadaptiveNet": "hadaptive.nn.hadaptive_net",
    "create_model": "hadaptive.nn.zoo",
    "min_image_size": "hadaptive.nn.zoo",
    "reparameterize": "hadaptive.nn.zoo",
}
__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return __all__
