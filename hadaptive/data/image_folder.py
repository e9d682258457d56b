"""ImageNet-1k, or any set laid out as <root>/train/<class>/* and <root>/val/<class>/*.

Images are decoded and resized to uint8 (bilinear, to a square) once, by `sharding`, or else by workers at every epoch;
what follows runs on the device as for every other set.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hadaptive.data.decode import decode
from hadaptive.data.errors import DataError
from hadaptive.data.prepared import MANIFEST, SCHEMA, location, remedy, write_location
from hadaptive.data.settings import DataSettings
from hadaptive.records import write_json

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".tif", ".tiff")
# The statistics every ImageNet recipe uses; a pass over the training set for its own would take hours.
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
FOLDERS = {"train": "train", "test": "val"}


def prepare(name: str, destination: Path, settings: DataSettings) -> dict[str, Any]:
    """Leave the images where they are and write their manifest to `destination`; returns it. Raises DataError."""
    root = settings.image_folder(name)
    manifest = manifest_of(name, root)
    write_location(destination, root.resolve())
    write_json(destination / MANIFEST, manifest)
    return manifest


def scan(folder: Path) -> tuple[list[str], list[tuple[str, int]]]:
    """Classes of a split (sorted names of its folders) and its images as (path below `folder`, class), sorted.

    Raises DataError for a split without classes or a class without images.
    """
    classes = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    for name in classes:
        if not _is_text(name):
            raise DataError(f"{folder}: the name of class folder {name!r} is not UTF-8; rename it")
    if not classes:
        raise DataError(f"{folder} holds no class folders; expected {folder}/<class>/<image>")
    images = []
    for label, name in enumerate(classes):
        paths = sorted(
            os.path.relpath(os.path.join(directory, file), folder)
            for directory, files in _walk(folder / name)
            for file in files
            if file.lower().endswith(SUFFIXES) and not file.startswith(".")
        )
        if not paths:
            raise DataError(f"class folder {folder / name} is empty (no {', '.join(SUFFIXES)}); fill it or remove it")
        if odd := next((path for path in paths if not _is_text(path)), None):
            raise DataError(f"{folder}: the name of image {odd!r} is not UTF-8; rename it")
        images += [(path, label) for path in paths]
    return classes, images


def _is_text(name: str) -> bool:
    """Return whether a file name is UTF-8: Python marks bytes that are not by lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _walk(top: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield every folder below `top`, through links too, with its files. DataError for a link that leads back up."""
    above: dict[str, frozenset[tuple[int, int]]] = {str(top): frozenset()}
    for directory, folders, files in os.walk(top, followlinks=True):
        state = os.stat(directory)
        here = above.pop(directory) | {(state.st_dev, state.st_ino)}
        for name in folders:
            inner = os.path.join(directory, name)
            below = os.stat(inner)
            if (below.st_dev, below.st_ino) in here:
                raise DataError(f"{inner} is a link to a folder that it lies in; remove it")
            above[inner] = here
        yield directory, files


def manifest_of(dataset: str, root: Path) -> dict[str, Any]:
    """Counts, classes, and a sha256 over the sorted relative paths and sizes of all images. Raises DataError."""
    root = root.resolve()
    scanned = {split: scan(root / folder) for split, folder in FOLDERS.items()}
    train, test = scanned["train"][0], scanned["test"][0]
    if train != test:
        differ = sorted(set(train) ^ set(test))
        raise DataError(
            f"classes of {root}/train and {root}/val differ: {len(train)} and {len(test)}, for example {differ[0]!r} "
            f"is only in {'train' if differ[0] in train else 'val'}; give both the same class folders"
        )
    digest = hashlib.sha256()
    for split, folder in FOLDERS.items():
        for path, _ in scanned[split][1]:
            digest.update(f"{folder}/{Path(path).as_posix()}\0{(root / folder / path).stat().st_size}\n".encode())
    return {
        "schema": SCHEMA,
        "dataset": dataset,
        "kind": "folder",
        "source": f"image folder of {dataset}",
        "classes": train,
        "num_classes": len(train),
        "counts": {split: len(images) for split, (_, images) in scanned.items()},
        "image_shape": None,
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "files": {},
        "sha256": digest.hexdigest(),
    }


class Decoder:
    """A map-style data set for DataLoader: index -> decoded image, or the DataError that stopped it.

    Returned rather than raised, because DataLoader would wrap it in the worker's traceback.
    """

    def __init__(self, folder: Path, paths: list[str], image_size: int) -> None:
        self.folder, self.paths, self.image_size = folder, paths, image_size

    def __getitem__(self, index: int) -> NDArray[np.uint8] | DataError:
        try:
            return decode(self.folder / self.paths[index], self.image_size)
        except DataError as error:
            return error


def collate(images: list[NDArray[np.uint8] | DataError]) -> Tensor | DataError:
    """Stack into uint8 (B, 3, H, W), or pass on the first error."""
    import torch

    decoded = []
    for image in images:
        if isinstance(image, DataError):
            return image
        decoded.append(image)
    return torch.from_numpy(np.stack(decoded))


class OnDisk:
    """The images of one split, decoded as they are needed. Raises DataError if they changed since `prepare`."""

    def __init__(
        self,
        prepared: Path,
        manifest: dict[str, Any],
        split: str,
        *,
        image_size: int,
        device: torch.device,
        workers: int,
    ) -> None:
        import torch

        folder = location(prepared) / FOLDERS[split]
        if not folder.is_dir():
            raise DataError(f"{folder} is gone since it was prepared; restore it, or {remedy(prepared)}")
        classes, images = scan(folder)
        if classes != manifest["classes"] or len(images) != manifest["counts"][split]:
            raise DataError(
                f"{folder} has changed since it was prepared: {len(images)} images of {len(classes)} classes, then "
                f"{manifest['counts'][split]} of {manifest['num_classes']}; {remedy(prepared)}"
            )
        self.decoder = Decoder(folder, [path for path, _ in images], image_size)
        self.labels = torch.tensor([label for _, label in images], device=device)
        self.source_hw = (image_size, image_size)
        self.device, self.workers = device, workers

    def fetch(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yield uint8 (B, 3, H, W) for each tensor of indices. Raises DataError for an unreadable image."""
        import torch
        from torch.utils.data import DataLoader

        on_gpu = self.device.type == "cuda"
        loader: DataLoader[Any] = DataLoader(
            self.decoder,  # type: ignore[arg-type]  # a map-style data set is anything with __getitem__
            batch_sampler=[index_B.tolist() for index_B in batches],
            collate_fn=collate,
            num_workers=self.workers,
            pin_memory=on_gpu,
            generator=torch.Generator(),  # else it would draw from, and so move, the training loop's
        )
        for images_BCHW in loader:
            if isinstance(images_BCHW, DataError):
                raise images_BCHW
            yield images_BCHW.to(self.device, non_blocking=on_gpu)
