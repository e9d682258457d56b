"""A prepared data set on disk: its arrays and, written last, `manifest.json`. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hadaptive.data.errors import DataError
from hadaptive.records import atomic, sha256, write_json

SCHEMA = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Arrays:
    """A data set in memory: images uint8 (N, C, H, W) at native resolution, labels int64 (N,)."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    classes: list[str]
    source: str


def write_arrays(dataset: str, folder: Path, arrays: Arrays) -> dict[str, Any]:
    """Write the four arrays as .npy, then the manifest, which it returns. The bytes depend on the data alone.

    Raises OSError where the folder cannot be written.
    """
    (folder / MANIFEST).unlink(missing_ok=True)  # a manifest promises that what it lists is there
    files: dict[str, dict[str, Any]] = {}
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        array = np.ascontiguousarray(getattr(arrays, name))
        path = folder / f"{name}.npy"
        with atomic(path) as temporary, temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        files[path.name] = {"sha256": sha256(path), "bytes": path.stat().st_size}
    mean, std = channel_statistics(arrays.train_images)
    manifest = {
        "schema": SCHEMA,
        "dataset": dataset,
        "kind": "tensor",
        "source": arrays.source,
        "classes": arrays.classes,
        "num_classes": len(arrays.classes),
        "counts": {"train": len(arrays.train_labels), "test": len(arrays.test_labels)},
        "image_shape": list(arrays.train_images.shape[1:]),
        "mean": mean,
        "std": std,
        "files": files,
        "sha256": hashlib.sha256("".join(files[name]["sha256"] for name in sorted(files)).encode()).hexdigest(),
    }
    write_json(folder / MANIFEST, manifest)
    return manifest


def channel_statistics(images_NCHW: NDArray[np.uint8]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of all pixels of each channel, pixels in [0, 1].

    The deviation is over pixels of all images together, not the mean of deviations within images. Computed from a
    histogram, so it is exact and the same on every machine.
    """
    levels = np.arange(256, dtype=np.float64) / 255
    mean, std = [], []
    for channel in range(images_NCHW.shape[1]):
        share = np.bincount(images_NCHW[:, channel].reshape(-1), minlength=256) / images_NCHW[:, channel].size
        centre = float((share * levels).sum())
        mean.append(round(centre, 6))
        std.append(round(float(np.sqrt((share * (levels - centre) ** 2).sum())), 6))
    return mean, std


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a prepared data set. Raises DataError if the folder was not (wholly) prepared."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
    except FileNotFoundError:
        raise DataError(f"{folder} holds no prepared data set (no {MANIFEST}); prepare it first") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is unreadable ({error}); delete it and prepare the data set again") from None
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise DataError(f"{path} has another schema than {SCHEMA}; delete it and prepare the data set again")
    return manifest


def open_arrays(folder: Path, manifest: dict[str, Any], split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images and labels of a split, mapped into memory so that processes on one machine share the pages.

    Raises DataError if a file is missing or has another size than the manifest says (contents are not hashed again).
    """
    arrays = []
    for part in ("images", "labels"):
        path = folder / f"{split}_{part}.npy"
        expected = manifest["files"][path.name]["bytes"]
        actual = path.stat().st_size if path.is_file() else None
        if actual != expected:
            found = "is missing" if actual is None else f"has {actual} bytes, expected {expected}"
            raise DataError(f"{path} {found}; delete {folder / MANIFEST} and prepare the data set again")
        arrays.append(np.load(path, mmap_mode="c", allow_pickle=False))  # "c": torch wants a writable array
    images, labels = arrays
    return images, labels
