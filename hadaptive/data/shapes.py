"""The embedded stand-in for COCO at scale `demo`: coloured shapes on textured ground, drawn here. Imports no torch.

Pictures of 160x160 pixels with one to four objects of five kinds, in COCO's layout and format, as JPEG. Everything
follows from a seed: `random.Random.random` gives the same numbers on every machine and version of Python.
"""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from hadaptive.data import scenes
from hadaptive.data.settings import DataSettings
from hadaptive.records import write_json

KINDS = ("circle", "square", "triangle", "star", "cross")
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#F0E442", "#CC79A7", "#FFFFFF", "#202020")
SIDE, LEAST, GREATEST = 160, 36, 84  # pixels: of the picture, and of an object
IMAGES = {"train": 240, "test": 60}
OVERLAP = 0.15  # largest part of an object that another may hide
Shape = list[tuple[float, float]]


def prepare(name: str, destination: Path, settings: DataSettings) -> dict[str, Any]:
    """Draw the pictures and prepare them; returns the manifest."""
    for seed, (split, folder) in enumerate(scenes.FOLDERS.items()):
        draw_split(destination, folder, IMAGES[split], seed)
    return scenes.write(name, destination, destination, "shapes drawn by hadaptive.data.shapes")


def draw_split(root: Path, folder: str, images: int, seed: int) -> None:
    """Write root/<folder>/*.jpg and root/annotations/instances_<folder>.json."""
    chance = random.Random(seed)
    (root / folder).mkdir(parents=True, exist_ok=True)
    listed: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for identity in range(1, images + 1):
        picture, boxes = _picture(chance)
        name = f"{identity:06}.jpg"
        picture.save(root / folder / name, quality=92)
        listed.append({"id": identity, "file_name": name, "width": SIDE, "height": SIDE})
        for kind, (x1, y1, x2, y2) in boxes:
            width, height = x2 - x1, y2 - y1
            entry = {"id": len(objects) + 1, "image_id": identity, "category_id": kind + 1, "iscrowd": 0}
            objects.append({**entry, "bbox": [x1, y1, width, height], "area": width * height})
    categories = [{"id": n, "name": kind, "supercategory": "shape"} for n, kind in enumerate(KINDS, start=1)]
    whole = {"images": listed, "annotations": objects, "categories": categories}
    write_json(root / "annotations" / f"instances_{folder}.json", whole)


def _picture(chance: random.Random) -> tuple[Image.Image, list[tuple[int, tuple[float, float, float, float]]]]:
    picture = Image.fromarray(_ground(chance)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    boxes: list[tuple[int, tuple[float, float, float, float]]] = []
    for _ in range(1 + int(4 * chance.random())):
        kind, side = int(len(KINDS) * chance.random()), LEAST + (GREATEST - LEAST) * chance.random()
        left, top = ((SIDE - side) * chance.random() for _ in "xy")
        turn, colour = 2 * math.pi * chance.random(), COLOURS[int(len(COLOURS) * chance.random())]
        points = [(left + side * x, top + side * y) for x, y in _outline(KINDS[kind], turn)]
        across, down = zip(*points, strict=True)
        box = tuple(round(edge, 2) for edge in (min(across), min(down), max(across), max(down)))
        assert len(box) == 4
        if all(_hidden(box, other) < OVERLAP for _, other in boxes):
            pen.polygon(points, fill=colour, outline="#202020")
            boxes.append((kind, box))
    return picture, boxes


def _ground(chance: random.Random) -> NDArray[np.uint8]:
    """Return a few random pixels about one colour, to be enlarged into a smooth texture."""
    base = [70 + 120 * chance.random() for _ in range(3)]
    rows = [[[c + 70 * (chance.random() - 0.5) for c in base] for _ in range(20)] for _ in range(20)]
    return np.array(rows).round().astype(np.uint8)


def _outline(kind: str, turn: float) -> Shape:
    """Corners of a shape within the unit square, turned."""
    if kind == "cross":
        arm = [(0.47, -0.16), (0.47, 0.16), (0.16, 0.16)]
        polar = [(math.hypot(x, y), math.atan2(y, x) + n * math.pi / 2) for n in range(4) for x, y in arm]
    else:
        radii = {"circle": [0.5] * 40, "square": [0.5] * 4, "triangle": [0.5] * 3, "star": [0.5, 0.2] * 5}[kind]
        polar = [(radius, 2 * math.pi * n / len(radii)) for n, radius in enumerate(radii)]
    return [(0.5 + radius * math.cos(turn + angle), 0.5 + radius * math.sin(turn + angle)) for radius, angle in polar]


def _hidden(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Return the part that two boxes share, of the smaller one."""
    wide, high = (min(a[n + 2], b[n + 2]) - max(a[n], b[n]) for n in (0, 1))
    if wide <= 0 or high <= 0:
        return 0.0
    return wide * high / min((e[2] - e[0]) * (e[3] - e[1]) for e in (a, b))
