"""Parameters and operations of SSD on each backbone of Table 6, counted without data or training."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from hadaptive.errors import UserError
from hadaptive.measure.complexity import complexity
from hadaptive.nn.features import feature_maps
from hadaptive.nn.ssd import FocalSSD
from hadaptive.record import envelope
from hadaptive.run import Measure


def record(measure: Measure) -> dict[str, Any]:
    """Return the record of the measure "detectors": `models` holds the counts of each model in each of its variants.

    Raises UserError for a model or option that is not known or gives no feature maps.
    """
    settings = measure.settings
    shape = {name: settings[name] for name in ("num_classes", "image_size")}
    models = {
        model: {variant: counts(model, variant, options, **shape) for variant, options in variants.items()}
        for model, variants in settings["models"].items()
    }
    return envelope(measure, {"models": models})


def counts(model: str, variant: str, options: dict[str, Any], *, num_classes: int, image_size: int) -> dict[str, int]:
    """Count the whole detector (backbone, extra layers, head) for one image; boxes are not decoded.

    The keys are those of `hadaptive.measure.complexity`, and `parameters_backbone`. UserError as in `record`.
    """
    try:
        detector = FocalSSD(feature_maps(model, **options), num_classes, image_size=image_size)
    except (ValueError, TypeError) as error:
        raise UserError(f"{model}, variant {variant}: {error}; correct it in params.yaml") from None
    backbone = sum(p.numel() for p in detector.backbone.backbone.parameters())
    return {**complexity(_Layers(detector), image_size), "parameters_backbone": backbone}


class _Layers(nn.Module):
    """The detector's own layers: [B, 3, H, W] to class logits and box regression."""

    def __init__(self, detector: FocalSSD) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, x_BCHW: Tensor) -> dict[str, Tensor]:
        return self.detector.raw(x_BCHW)
