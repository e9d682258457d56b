"""Images with boxes: from a folder in COCO's layout to a prepared data set. Imports no torch.

<root>/{train2017,val2017}/<image> and <root>/annotations/instances_{train2017,val2017}.json. Images stay where they
are; the annotations are checked once and kept as arrays beside the manifest: the official file is half a gigabyte.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from hadaptive.data import coco_format
from hadaptive.data.coco_format import Annotations
from hadaptive.data.errors import DataError
from hadaptive.data.prepared import LOCATION, MANIFEST, SCHEMA, write_location
from hadaptive.records import sha256, write_json

KIND = "scenes"
FOLDERS = {"train": "train2017", "test": "val2017"}
# ImageNet's statistics, with which torchvision's detectors normalise COCO.
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def write(dataset: str, root: Path, destination: Path, source: str) -> dict[str, Any]:
    """Check a folder and write `destination`/{train,test}.npz and, last, the manifest, which it returns.

    Raises DataError for annotations that `coco_format.read` refuses, for images that are not there, and where the two
    splits have different categories.
    """
    (destination / MANIFEST).unlink(missing_ok=True)
    root = root.resolve()
    files: dict[str, dict[str, Any]] = {}
    annotations: dict[str, str] = {}
    known: dict[str, Annotations] = {}
    listed: dict[str, list[dict[str, Any]]] = {}
    met: dict[str, dict[str, int]] = {}
    digest = hashlib.sha256()
    for split, folder in FOLDERS.items():
        file = root / "annotations" / f"instances_{folder}.json"
        known[split], listed[split], met[split] = coco_format.read(file)
        sizes = _sizes(root / folder)
        for name, identity in zip(known[split].names, known[split].ids, strict=True):
            if name not in sizes:
                raise DataError(f"{root / folder / name} is not there; {file} lists it as image {identity}")
            digest.update(f"{folder}/{name}\0{sizes[name]}\n".encode())
        known[split].save(destination / f"{split}.npz")
        annotations[file.name] = sha256(file)
        digest.update(annotations[file.name].encode())
        drawn = [f"{folder}/{name}" for name in known[split].names] if root == destination.resolve() else []
        for name in (f"{split}.npz", *drawn):  # what lies here is verified when it is used; images elsewhere are not
            path = destination / name
            files[name] = {"sha256": sha256(path), "bytes": path.stat().st_size}
    names = {split: [str(category.get("name")) for category in categories] for split, categories in listed.items()}
    if names["train"] != names["test"]:
        differ = sorted(set(names["train"]) ^ set(names["test"])) or ["their order"]
        raise DataError(f"{root}/annotations: the two splits have different categories ({differ[0]}); make them agree")
    manifest = {
        "schema": SCHEMA,
        "dataset": dataset,
        "kind": KIND,
        "source": source,
        "classes": names["train"],
        "category_ids": [category["id"] for category in listed["train"]],
        "num_classes": len(names["train"]),
        "counts": {split: len(part) for split, part in known.items()},
        "boxes": {split: len(part.boxes) for split, part in known.items()},
        "met": met,
        "image_shape": None,
        "mean": MEAN,
        "std": STD,
        "annotations": annotations,
        "files": files,
        "sha256": digest.hexdigest(),
    }
    if root == destination.resolve():
        (destination / LOCATION).unlink(missing_ok=True)  # what was drawn here moves with the folder
    else:
        write_location(destination, root)
    write_json(destination / MANIFEST, manifest)
    return manifest


def _sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of every file of a folder, by name. DataError if it is no folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}); put the images there") from None
