"""Which images Grad-CAM looks at: the `explain` part of params.yaml, checked against the disk. Imports no torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from hadaptive.errors import nearest
from hadaptive.settings import Settings

EMBEDDED = "scikit-learn:"
CREDITS = {  # photos inside scikit-learn, with what their licence asks to be said
    f"{EMBEDDED}flower.jpg": "flickr.com/photos/vultilion, CC BY 2.0, from scikit-learn",
    f"{EMBEDDED}china.jpg": "flickr.com/photos/danielbuechele, CC BY 2.0, from scikit-learn",
}
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".tif", ".tiff")

Part = Annotated[float, Field(ge=0, le=1)]


def _has_an_area(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    if not (left < right and top < bottom):
        raise ValueError("it must be left, top, right, bottom with left < right and top < bottom")
    return box


Box = Annotated[tuple[Part, Part, Part, Part], AfterValidator(_has_an_area)]


class Photo(Settings):
    """An image file and where in it the subject is."""

    file: str = Field(description="a path, of an image or a folder of them, or scikit-learn:flower.jpg or :china.jpg")
    subject: Box | None = Field(
        default=None, description="left, top, right and bottom of a box around it, as parts of the width and the height"
    )


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


def _as_photo(value: Any) -> Any:
    return {"file": value} if isinstance(value, str) else value


Entry = Annotated[Photo, BeforeValidator(_as_photo, json_schema_input_type=str | Photo)]


class ExplainSettings(Settings):
    """What Grad-CAM looks at."""

    images: Annotated[list[Entry], BeforeValidator(_as_list, json_schema_input_type=str | list[Entry])] = Field(
        default_factory=lambda: [Photo(file=name) for name in CREDITS],
        min_length=1,
        description="image files, or folders of them; Figures 8 and 9 show the first two, claim 14 counts all",
    )


def named_photos(settings: ExplainSettings) -> dict[str, Photo]:
    """Every image by the name of its record. A folder's come in the order of their file names.

    ValueError for what is not there, and for two images of one name.
    """
    found: dict[str, Photo] = {}
    for photo in (each for entry in settings.images for each in _files(entry)):
        stem = Path(photo.file.removeprefix(EMBEDDED)).stem
        name = re.sub(r"\W+", "_", stem, flags=re.ASCII).strip("_") or "image"
        if name in found:
            raise ValueError(f"{found[name].file} and {photo.file} would both be called {name}; rename one of them")
        found[name] = photo
    return found


def _files(entry: Photo) -> list[Photo]:
    if entry.file.startswith(EMBEDDED):
        if entry.file not in CREDITS:
            raise ValueError(f"scikit-learn has no photo {entry.file!r}.{nearest(entry.file, list(CREDITS))}")
        return [entry]
    path = Path(entry.file).expanduser()
    if path.is_dir():
        inside = [each for each in sorted(path.iterdir()) if each.suffix.lower() in SUFFIXES and each.is_file()]
        photos = [Photo(file=each.as_posix()) for each in inside if not each.name.startswith(".")]
        if not photos:
            raise ValueError(f"the folder {path} holds no image ({', '.join(SUFFIXES)})")
        return photos
    if not path.is_file():
        raise ValueError(f"no image file {path}")
    return [entry.model_copy(update={"file": path.as_posix()})]
