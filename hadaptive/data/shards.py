"""The images of a folder, decoded once: uint8 shards mapped into memory and read by index. `sharding` makes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hadaptive.data.errors import DataError
from hadaptive.data.prepared import check_split, map_array, read_manifest, remedy, verify

ON_GPU = 0.25  # of the GPU's free memory: a split that takes no more stays there
AHEAD = 2  # batches that each worker reads before they are asked for


class Shards:
    """The images of one split. Each process reads the images that it is asked for, and no others.

    On a GPU the split stays there where it takes at most a quarter of the free memory; else `workers` threads read
    ahead. Raises DataError where a shard changed since it was made, or shows other images than `manifest`.
    """

    def __init__(
        self, folder: Path, manifest: dict[str, Any], split: str, *, device: torch.device, workers: int
    ) -> None:
        own = read_manifest(folder)
        if own["kind"] != "shards" or own.get("of") != manifest["sha256"]:
            raise DataError(f"{folder} holds no shards of the images in {folder.parent}; {remedy(folder)}")
        verify(folder, own)
        names = sorted(name for name in own["files"] if name.startswith(f"{split}_images"))
        self.parts = [map_array(folder, name, "r") for name in names]
        labels_N = np.array(map_array(folder, f"{split}_labels.npy"))
        self.starts = np.cumsum([0, *(len(part) for part in self.parts)])
        shapes = {part.shape[1:] for part in self.parts}
        if shapes != {tuple(own.get("image_shape") or ())} or self.starts[-1] != own["counts"].get(split):
            raise DataError(f"{folder}: the {split} shards do not belong together; {remedy(folder)}")
        for start, part in zip(self.starts, self.parts, strict=False):
            check_split(
                part, labels_N[start : start + len(part)], own["num_classes"], f"{folder}, {split}", remedy(folder)
            )
        self.source_hw: tuple[int, int] = (own["image_shape"][1], own["image_shape"][2])
        self.labels = torch.from_numpy(labels_N).to(device)
        self.device, self.workers = device, workers
        self.resident: Tensor | None = None
        if device.type == "cuda" and sum(part.nbytes for part in self.parts) <= ON_GPU * torch.cuda.mem_get_info()[0]:
            self.resident = torch.cat([torch.from_numpy(np.array(part)).to(device) for part in self.parts])

    def fetch(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yield uint8 (B, 3, H, W) for each tensor of indices."""
        if self.resident is not None:
            for index_B in batches:
                yield self.resident[index_B]
            return
        rows = [index_B.tolist() for index_B in batches]
        if not self.workers:
            for indices in rows:
                yield self._read(indices).to(self.device)
            return
        with ThreadPoolExecutor(self.workers) as pool:
            pending: deque[Future[Tensor]] = deque()
            for indices in rows:
                pending.append(pool.submit(self._read, indices))
                if len(pending) > AHEAD * self.workers:
                    yield pending.popleft().result().to(self.device, non_blocking=True)
            while pending:
                yield pending.popleft().result().to(self.device, non_blocking=True)

    def _read(self, indices: list[int]) -> Tensor:
        """Copy images out of the shards. Copies and page faults hold no lock of Python's, so threads read together."""
        images = torch.empty(
            (len(indices), *self.parts[0].shape[1:]), dtype=torch.uint8, pin_memory=self.device.type == "cuda"
        )
        places = np.searchsorted(self.starts, indices, side="right") - 1
        for image, part, index in zip(images.numpy(), places, indices, strict=True):
            image[...] = self.parts[part][index - self.starts[part]]
        return images
