"""A photo as pixels: any file Pillow reads, or one inside scikit-learn."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from hadaptive.errors import UserError
from hadaptive.explain.settings import EMBEDDED


def open_image(source: str) -> NDArray[np.uint8]:
    """The pixels, uint8 (height, width, 3), turned as the camera says. `source` is a path or scikit-learn:<file>.

    UserError, naming the file, for what is missing, is no image, or is cut short.
    """
    if not source.startswith(EMBEDDED):
        return _decode(Path(source))
    with as_file(files("sklearn.datasets") / "images" / source.removeprefix(EMBEDDED)) as path:
        return _decode(path)


def _decode(path: Path) -> NDArray[np.uint8]:
    remedy = "replace the file, or name another in explain.images of params.yaml"
    try:
        with Image.open(path) as image:
            rgb: Any = ImageOps.exif_transpose(image).convert("RGB")
            return np.asarray(rgb)
    except FileNotFoundError:
        raise UserError(f"{path}: no such image; name another in explain.images of params.yaml") from None
    except Exception as error:  # a damaged file can make a decoder raise almost anything
        raise UserError(f"{path} cannot be read as an image ({type(error).__name__}: {error}); {remedy}") from None
