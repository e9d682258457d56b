"""Parameters and channels of BERT with each feed-forward layer of Table 13, counted without data or training."""

from __future__ import annotations

from typing import Any

import torch

from hadaptive.errors import UserError
from hadaptive.nn.text import TextClassifier
from hadaptive.record import envelope
from hadaptive.run import Measure


def record(measure: Measure) -> dict[str, Any]:
    """Return the record of the measure "text_models": `models` holds the counts of each model in each of its variants.

    Raises UserError for a model that cannot be built.
    """
    settings = measure.settings
    shape = {name: settings[name] for name in ("classes", "vocabulary", "width", "heads")}
    models = {
        model: {variant: counts(model, variant, options, **shape) for variant, options in variants.items()}
        for model, variants in settings["models"].items()
    }
    return envelope(measure, {"models": models})


def counts(model: str, variant: str, options: dict[str, Any], **shape: Any) -> dict[str, int]:
    """Count the trainable parameters; channels outside and inside the feed-forward layers. UserError as `record`.

    The model is built on the meta device, where weights take neither time nor memory.
    """
    try:
        with torch.device("meta"):
            classifier = TextClassifier(model, **shape, **options)
    except (ValueError, TypeError) as error:
        raise UserError(f"{model}, variant {variant}: {error}; correct it in params.yaml") from None
    return {
        "parameters": sum(p.numel() for p in classifier.parameters() if p.requires_grad),
        "in_out_channels": classifier.width,
        "mid_channels": classifier.middle,
    }
