"""Annotations in COCO's format: read, checked, and kept as arrays. Imports no torch.

What is done about what is found in the wild:

- a box that reaches out of its image is cut at the edge, and counted; one wholly outside is an error;
- a box without area is left out, and counted (the official files have some);
- an image without boxes is kept: nothing on it is to be found;
- a crowd (`iscrowd`) is not trained on, and what is found inside one counts neither for nor against (COCO's rule);
- a category that is not in the file's list, an image that is not there, anything missing or not a number: an error that
  names the file and the id.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hadaptive.data.errors import DataError
from hadaptive.records import atomic


@dataclass(frozen=True)
class Annotations:
    """The objects of N images. Those of image i are rows `starts[i]` to `starts[i + 1]` of the last four.

    `names` are files, `ids` COCO's ids of the images, `sizes` (N, 2) their width and height in pixels; `boxes` (M, 4)
    are x1, y1, x2, y2 in pixels, `classes` (M,) places in the list of categories, `crowds` (M,) whether it is a crowd.
    """

    names: NDArray[np.str_]
    ids: NDArray[np.int64]
    sizes: NDArray[np.int64]
    starts: NDArray[np.int64]
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    crowds: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)

    def objects(self, image: int) -> slice:
        """Return the rows of an image's objects."""
        return slice(int(self.starts[image]), int(self.starts[image + 1]))

    def problem(self, classes: int) -> str | None:
        """Return what makes these arrays useless for training, None where nothing does."""
        images, objects = len(self.ids), len(self.boxes)
        shapes = [array.shape for array in (self.names, self.sizes, self.starts, self.boxes, self.classes, self.crowds)]
        if shapes != [(images,), (images, 2), (images + 1,), (objects, 4), (objects,), (objects,)]:
            return "the arrays do not belong together"
        if (np.diff(self.starts) < 0).any() or self.starts[0] != 0 or self.starts[-1] != objects:
            return "the objects of an image cannot be found"
        if not np.isfinite(self.boxes).all() or (self.boxes[:, 2:] <= self.boxes[:, :2]).any():
            return "a box has no area"
        if ((self.classes < 0) | (self.classes >= classes)).any():
            return f"an object has a label that none of {classes} classes has"
        return None

    def save(self, path: Path) -> None:
        """Write to an .npz file."""
        with atomic(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **vars(self))


def load(path: Path) -> Annotations:
    """Return what `save` wrote. DataError if it is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Annotations(**{name: arrays[name] for name in Annotations.__dataclass_fields__})
    except Exception as error:  # zipfile and numpy have many
        raise DataError(
            f"{path} is missing or damaged ({error}); delete its folder and prepare the data set again"
        ) from None


def read(file: Path) -> tuple[Annotations, list[dict[str, Any]], dict[str, int]]:
    """Annotations of a file of COCO's, its categories (`id`, `name`) in order of id, and counts of what was met.

    Raises DataError as this file's first lines say.
    """
    whole = _json(file)
    categories = sorted(_list(whole, "categories", file), key=lambda entry: entry.get("id", 0))
    places = {_field(category, "id", int, file, f"category {n}"): n for n, category in enumerate(categories)}
    images = sorted(_list(whole, "images", file), key=lambda entry: entry.get("id", 0))
    if not images or not categories:
        raise DataError(f"{file} lists no {'categories' if images else 'images'}; replace it by the official file")
    known: dict[int, tuple[int, int, int]] = {}
    for n, entry in enumerate(images):
        identity = _field(entry, "id", int, file, f"image {n} of the list")
        if identity in known:
            raise DataError(f"{file}: image {identity} is there twice; keep one")
        width, height = (_field(entry, name, int, file, f"image {identity}") for name in ("width", "height"))
        if width < 1 or height < 1:
            raise DataError(f"{file}: image {identity} has {width}x{height} pixels; correct it")
        known[identity] = (n, width, height)
    counts = {"cut_at_the_edge": 0, "without_area": 0, "crowds": 0}
    objects: list[list[tuple[tuple[float, float, float, float], int, bool]]] = [[] for _ in images]
    for n, entry in enumerate(_list(whole, "annotations", file)):
        what = f"annotation {entry.get('id', f'number {n}')}"
        image = _field(entry, "image_id", int, file, what)
        category = _field(entry, "category_id", int, file, what)
        if image not in known:
            raise DataError(f"{file}: {what} is of image {image}, which the file does not list; remove it")
        if category not in places:
            raise DataError(
                f"{file}: {what} has category {category}, which is not among the file's {len(places)}; correct it"
            )
        place, width, height = known[image]
        box, cut = _box(entry, width, height, f"{file}: {what} of image {image} ({images[place].get('file_name')})")
        crowd = bool(entry.get("iscrowd", 0))
        counts["cut_at_the_edge"] += cut
        counts["crowds"] += crowd
        if box is None:
            counts["without_area"] += 1
        else:
            objects[place].append((box, places[category], crowd))
    counts["images_without_boxes"] = sum(not of_image for of_image in objects)
    flat = [box for of_image in objects for box in of_image]
    annotations = Annotations(
        names=np.array([_field(entry, "file_name", str, file, f"image {entry['id']}") for entry in images]),
        ids=np.array(list(known), np.int64),
        sizes=np.array([size for _, *size in known.values()], np.int64),
        starts=np.cumsum([0, *(len(of_image) for of_image in objects)], dtype=np.int64),
        boxes=np.array([box for box, _, _ in flat], np.float32).reshape(-1, 4),
        classes=np.array([place for _, place, _ in flat], np.int64),
        crowds=np.array([crowd for _, _, crowd in flat], bool),
    )
    return annotations, categories, counts


def _json(file: Path) -> dict[str, Any]:
    try:
        whole = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise DataError(f"no {file}; put the official annotations there") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{file} is unreadable ({error}); replace it by the official file") from None
    if not isinstance(whole, dict):
        raise DataError(f"{file} holds no annotations in COCO's format; replace it by the official file")
    return whole


def _list(whole: dict[str, Any], name: str, file: Path) -> list[dict[str, Any]]:
    entries = whole.get(name)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError(f"{file} has no list of {name}; replace it by the official file")
    return entries


def _field(entry: dict[str, Any], name: str, kind: type, file: Path, what: str) -> Any:
    value = entry.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(
            f"{file}: {what} has {name} = {value!r}, not {'a whole number' if kind is int else 'a text'}; correct it"
        )
    return value


def _box(
    entry: dict[str, Any], width: int, height: int, what: str
) -> tuple[tuple[float, float, float, float] | None, bool]:
    """x1, y1, x2, y2 within the image, None for a box without area; and whether it was cut. DataError if outside."""
    given = entry.get("bbox")
    numbers = [number for number in given if isinstance(number, int | float)] if isinstance(given, list) else []
    if len(numbers) != 4 or len(given or []) != 4 or not all(map(math.isfinite, numbers)):
        raise DataError(f"{what}: bbox {given!r} is not [x, y, width, height]; correct it")
    x, y, wide, high = numbers
    if wide < 0 or high < 0:
        raise DataError(f"{what}: bbox {given} has a negative width or height; correct it")
    if wide == 0 or high == 0:
        return None, False
    box = (max(x, 0.0), max(y, 0.0), min(x + wide, float(width)), min(y + high, float(height)))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise DataError(f"{what}: bbox {given} lies outside the image of {width}x{height} pixels; correct or remove it")
    return box, box != (x, y, x + wide, y + high)
