"""An image file as pixels: the only place that decides what pixels a file is. Imports no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hadaptive.data.errors import DataError


def decode(path: Path, image_size: int) -> NDArray[np.uint8]:
    """Return an image as uint8 (3, image_size, image_size), bilinear. Raises DataError naming the file.

    Decoded whole: JPEG's scaled decoding gives other pixels where it saves time, and saves none at 224 px
    (docs/performance.md).
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            square = image.convert("RGB").resize((image_size, image_size), Image.Resampling.BILINEAR)
    except Exception as error:  # a damaged file can make a decoder raise almost anything
        reason = f"{type(error).__name__}: {error}"
        raise DataError(
            f"cannot read image {path} ({reason}); replace or delete it, then prepare the data set again"
        ) from None
    return np.asarray(square).transpose(2, 0, 1)
