"""SSD as `hadaptive publish` writes it and the Hugging Face Hub takes it: built from config.json alone."""

from __future__ import annotations

from typing import Any

from huggingface_hub import PyTorchModelHubMixin

from hadaptive.nn.features import feature_maps
from hadaptive.nn.ssd import FocalSSD

__all__ = ["Detector"]


class Detector(FocalSSD, PyTorchModelHubMixin):
    """`FocalSSD` on a model of the zoo, with the Hub's `from_pretrained`, `save_pretrained` and `push_to_hub`.

    Args:
        backbone, options: the zoo's name of the model and the options of its builder.
        classes: their names; a label is an index of them.
        image_size: side of the square to which it resizes every image, in pixels.
        gamma, alpha: of the focal loss, for further training.

    Raises ValueError for a model that is not known or gives no feature maps.
    """

    def __init__(
        self,
        backbone: str,
        options: dict[str, Any],
        classes: list[str],
        image_size: int,
        gamma: float,
        alpha: float,
    ) -> None:
        maps = feature_maps(backbone, **options)
        super().__init__(maps, len(classes), image_size=image_size, gamma=gamma, alpha=alpha)
        self.classes = classes
