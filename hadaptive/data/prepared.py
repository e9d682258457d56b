"""A prepared data set on disk: its arrays and, written last, `manifest.json`. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hadaptive.data.errors import DataError
from hadaptive.data.stamps import Stamps
from hadaptive.records import atomic, sha256, write_json

SCHEMA = 1
MANIFEST = "manifest.json"
LOCATION = "location.json"  # where images lie that are not copied; no content, so not in the manifest


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

    Raises DataError for a label without a class, OSError where the folder cannot be written.
    """
    for split in ("train", "test"):
        images, labels = (getattr(arrays, f"{split}_{part}") for part in ("images", "labels"))
        check_split(images, labels, len(arrays.classes), f"{arrays.source}, {split}", "replace it by the official one")
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
    """Return the mean and standard deviation of all pixels of each channel, pixels in [0, 1].

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


class _File(BaseModel):
    sha256: str
    bytes: int


class _Vocabulary(BaseModel):
    size: int = Field(ge=1)
    pad: int
    cls: int
    sep: int


class _Manifest(BaseModel):
    """What the rest of the project reads of a manifest; other entries pass."""

    model_config = ConfigDict(strict=True)

    dataset: str
    kind: Literal["tensor", "text", "folder", "scenes", "shards"]
    classes: list[str] = Field(min_length=1)
    num_classes: int
    counts: dict[Literal["train", "test"], int]
    files: dict[str, _File]
    sha256: str
    mean: list[Annotated[float, Field(allow_inf_nan=False)]] | None = None
    std: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] | None = None
    sentences: Literal[1, 2] | None = None
    vocabulary: _Vocabulary | None = None

    def missing(self) -> str | None:
        """Return an entry that data of this kind need and that is not there, or does not agree with another."""
        needed = ("sentences", "vocabulary") if self.kind == "text" else ("mean", "std")
        if lost := next((name for name in needed if getattr(self, name) is None), None):
            return f"{lost} is missing"
        return "num_classes is not the number of classes" if self.num_classes != len(self.classes) else None


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a prepared data set. Raises DataError if the folder was not (wholly) prepared."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{folder} holds no prepared data set (no {MANIFEST}); prepare it first") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is unreadable ({error}); {remedy(folder)}") from None
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise DataError(f"{path} has another schema than {SCHEMA}; {remedy(folder)}")
    try:
        problem = _Manifest.model_validate(manifest).missing()
    except ValidationError as error:
        first = error.errors()[0]
        problem = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg'][0].lower()}{first['msg'][1:]}"
    if problem:
        raise DataError(f"{path} is damaged ({problem}); {remedy(folder)}")
    return manifest


def write_location(folder: Path, root: Path) -> None:
    """Say where the images of a prepared data set lie. Moving them changes this file and no result."""
    write_json(folder / LOCATION, {"root": str(root)})


def location(folder: Path) -> Path:
    """Return the folder that holds the images of a prepared data set: `folder` itself where nothing else is said."""
    path = folder / LOCATION
    if not path.exists():
        return folder
    try:
        return Path(json.loads(path.read_text(encoding="utf-8"))["root"])
    except (OSError, ValueError, TypeError, KeyError):
        raise DataError(f"{path} is damaged; {remedy(folder)}") from None


def shards_of(folder: Path, image_size: int) -> Path:
    """Return the folder for the images of a prepared image folder, decoded to squares of `image_size` pixels."""
    return folder / f"{image_size}px"


def remedy(folder: Path) -> str:
    """Return how a prepared data set is made again."""
    if size := re.fullmatch(r"(\d+)px", folder.name):
        return f"`hadaptive data {folder.parent.name} --image-size {size[1]}` decodes the images again"
    return f"`hadaptive data {folder.name}` makes the data again"


def verify(folder: Path, manifest: dict[str, Any] | None = None, *, image_size: int | None = None) -> None:
    """Hash every file that the manifest of a prepared data set lists. Raises DataError for one that differs.

    SHA-256 reads more than a gigabyte per second on a processor that has instructions for it: 0.15 s for CIFAR-100.
    With `image_size` the shards of an image folder are checked too, where there are some; shards, which can be hundreds
    of GB, are hashed only where size, time or inode of the file changed since they were last.
    """
    manifest = manifest or read_manifest(folder)
    if manifest["kind"] == "shards":
        _verify_shards(folder, manifest)
        return
    for name in manifest["files"]:
        verify_file(folder, manifest, name)
    if manifest["kind"] == "folder" and image_size and (shards_of(folder, image_size) / MANIFEST).exists():
        verify(shards_of(folder, image_size))


def _verify_shards(folder: Path, manifest: dict[str, Any]) -> None:
    stamps = Stamps(folder)
    for name, expected in manifest["files"].items():
        actual = stamps.sha256(name)
        if actual is None:
            raise DataError(f"{folder / name} is missing or cannot be read; {remedy(folder)}")
        if actual != expected["sha256"]:
            raise DataError(f"{folder / name} was changed since it was made (SHA-256 differs); {remedy(folder)}")
    stamps.save()


def verify_file(folder: Path, manifest: dict[str, Any], name: str) -> Path:
    """Return the path of a prepared file whose size and SHA-256 are the manifest's. DataError otherwise."""
    path, expected = folder / name, manifest["files"].get(name)
    if expected is None:
        raise DataError(f"{folder / MANIFEST} does not list {name}; {remedy(folder)}")
    try:
        actual = path.stat().st_size
        if actual != expected["bytes"]:
            raise DataError(f"{path} has {actual} bytes, expected {expected['bytes']}; {remedy(folder)}")
        if sha256(path) != expected["sha256"]:
            raise DataError(f"{path} was changed since it was prepared (SHA-256 differs); {remedy(folder)}")
    except OSError as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise DataError(f"{path} {reason}; {remedy(folder)}") from None
    return path


def load_array(folder: Path, manifest: dict[str, Any], name: str) -> NDArray[Any]:
    """Map a verified array into memory, so that processes on one machine share the pages. Raises DataError."""
    verify_file(folder, manifest, name)
    return map_array(folder, name)


def map_array(folder: Path, name: str, mode: Literal["c", "r"] = "c") -> NDArray[Any]:
    """Map an array that is verified already; torch wants a writable one ("c"). DataError for a file that holds none."""
    path = folder / name
    try:
        return np.asarray(np.load(path, mmap_mode=mode, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} holds no array ({error}); {remedy(folder)}") from None


def open_arrays(folder: Path, manifest: dict[str, Any], split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images uint8 (N, C, H, W) and labels int64 (N,) of a split, mapped into memory.

    Raises DataError if a file is missing or not, byte for byte, what the manifest says, or a label has no class.
    """
    if manifest["kind"] != "tensor":
        raise DataError(f"{folder} holds {manifest['dataset']}, which is no set of images; choose one for this task")
    images, labels = (load_array(folder, manifest, f"{split}_{part}.npy") for part in ("images", "labels"))
    check_split(images, labels, manifest["num_classes"], f"{folder}, {split}", remedy(folder))
    return images, labels


def check_split(images: NDArray[Any], labels: NDArray[Any], classes: int, where: str, mend: str) -> None:
    """Raise DataError, naming `where`, unless images are uint8 (N, C, H, W) and labels int64 (N,) below `classes`."""
    if images.dtype != np.uint8 or images.ndim != 4 or not images.size:
        raise DataError(f"{where}: images are {images.dtype} {images.shape}, not uint8 (N, C, H, W); {mend}")
    if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
        raise DataError(f"{where}: labels are {labels.dtype} {labels.shape} for {len(images)} images; {mend}")
    check_labels(labels, classes, where, mend)


def check_labels(labels_N: NDArray[np.integer], classes: int, where: str, mend: str) -> None:
    """Raise DataError, naming `where`, for a label that none of `classes` classes has."""
    wrong = np.flatnonzero((labels_N < 0) | (labels_N >= classes))
    if wrong.size:
        raise DataError(f"{where}: example {wrong[0]} has label {labels_N[wrong[0]]} of {classes} classes; {mend}")
