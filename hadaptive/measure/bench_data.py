"""Ways of decoding the images of a prepared image folder, side by side: processor time, and how far pixels differ."""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from hadaptive.data.image_folder import FOLDERS, scan
from hadaptive.data.prepared import MANIFEST, location, map_array, read_manifest, shards_of
from hadaptive.errors import UserError

Pixels = NDArray[np.uint8]  # (image_size, image_size, 3)


def decoding_ratios(prepared: Path, image_size: int, images: int = 200) -> dict[str, Any]:
    """Compare ways of making squares of `image_size` px from up to `images` training images of a prepared folder.

    Each image goes through every way in turn, so that what else the machine does meets all. `speed` is over that of
    decoding the whole image with Pillow, which the recipe's pixels are (`hadaptive.data.decode`), `mean_difference` and
    `largest_difference` are from those pixels, in levels of 0 to 255. `shard` reads the decoded image, where there are
    shards. Raises UserError where the data are no image folder.
    """
    if read_manifest(prepared)["kind"] != "folder":
        raise UserError(f"{prepared} is no image folder; name one by --dataset, for example imagenet1k")
    root = location(prepared) / FOLDERS["train"]
    paths = [root / path for path, _ in scan(root)[1]]
    chosen = range(0, len(paths), max(1, len(paths) // images))[:images]
    ways, shard = dict(_ways(image_size)), _shard(shards_of(prepared, image_size))
    seconds: dict[str, float] = dict.fromkeys([*ways, *(["shard"] if shard else [])], 0.0)
    differences: dict[str, list[Pixels]] = {name: [] for name in seconds}
    for number in chosen:
        file = paths[number].read_bytes()
        ways["pillow"](file)  # so that no way is the first to meet the image
        made = {}
        for name in seconds:
            started = time.process_time()
            made[name] = shard(number) if name == "shard" and shard else ways[name](file)
            seconds[name] += time.process_time() - started
        for name, pixels in made.items():
            differences[name].append(np.abs(pixels.astype(np.int16) - made["pillow"].astype(np.int16)).astype(np.uint8))
    return {
        "image_size": image_size,
        "images": len(chosen),
        "pillow_ms": round(1e3 * seconds["pillow"] / len(chosen), 2),
        **{
            name: {
                "speed": round(seconds["pillow"] / max(seconds[name], 1e-9), 2),
                "mean_difference": round(float(np.mean(of_all)), 3),
                "largest_difference": int(np.max(of_all)),
            }
            for name, of_all in differences.items()
        },
    }


def _ways(side: int) -> Iterator[tuple[str, Callable[[bytes], Pixels]]]:
    """Yield each way that is installed, by name; simplejpeg is no dependency of this project."""
    from torchvision.io import ImageReadMode, decode_jpeg
    from torchvision.transforms.v2 import functional as transforms

    square, bilinear = (side, side), Image.Resampling.BILINEAR

    def pillow(file: bytes, draft: int | None = None) -> Pixels:
        with Image.open(io.BytesIO(file)) as image:
            if draft:
                image.draft("RGB", (draft, draft))
            return np.asarray(image.convert("RGB").resize(square, bilinear))

    def torchvision(file: bytes) -> Pixels:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # TorchCodec is to take its place
            image_CHW = decode_jpeg(torch.frombuffer(bytearray(file), dtype=torch.uint8), mode=ImageReadMode.RGB)
        pixels: Pixels = transforms.resize(image_CHW, list(square), antialias=True).permute(1, 2, 0).numpy()
        return pixels

    yield "pillow", pillow
    yield "pillow_draft", lambda file: pillow(file, side)
    yield "pillow_draft_twice_the_size", lambda file: pillow(file, 2 * side)
    yield "torchvision", torchvision
    try:
        simplejpeg = import_module("simplejpeg")
    except ImportError:
        return
    yield (
        "simplejpeg",
        lambda file: np.asarray(Image.fromarray(simplejpeg.decode_jpeg(file)).resize(square, bilinear)),
    )


def _shard(folder: Path) -> Callable[[int], Pixels] | None:
    """Return what reads a training image from the first shard or a later one; None without shards."""
    if not (folder / MANIFEST).exists():
        return None
    parts = [map_array(folder, name, "r") for name in sorted(read_manifest(folder)["files"]) if "train_images" in name]
    most = len(parts[0])
    return lambda number: np.array(parts[number // most][number % most]).transpose(1, 2, 0)
