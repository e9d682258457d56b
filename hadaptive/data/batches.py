"""Batches for training and evaluation, prepared on the training device so that loading never limits a small model."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from hadaptive.data.augment import Augment
from hadaptive.data.prepared import MANIFEST, open_arrays, read_manifest, shards_of
from hadaptive.data.subset import balanced_subset

Split = Literal["train", "test"]
PartOf = Callable[[int], tuple[int, int]]


class Source(Protocol):
    """Raw examples of a split: `labels` int64 (N,), and uint8 images fetched by index, on the device."""

    labels: Tensor
    source_hw: tuple[int, int]

    def fetch(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """For each tensor of indices (B,), the images uint8 (B, C, h, w), on the device."""


class InMemory:
    """A tensor set: the whole split is one uint8 tensor on the device (on the CPU: pages mapped from the file)."""

    def __init__(self, root: Path, manifest: dict[str, Any], split: Split, device: torch.device) -> None:
        images, labels = open_arrays(root, manifest, split)
        self.images = torch.from_numpy(images).to(device)
        self.labels = torch.from_numpy(labels).to(device)
        self.source_hw: tuple[int, int] = (images.shape[2], images.shape[3])

    def fetch(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        for index_B in batches:
            yield self.images[index_B]


class Batches:
    """The batches of a split. `epoch(n)` yields them for epoch n.

    Attributes:
        num_classes: number of classes.
        examples: examples in an epoch (N).
        steps: batches in an epoch.
        manifest: what `prepare` recorded about the data set, checksums included.

    Training: every example once an epoch, in a new order, each with its own crop and flip. Order and augmentation come
    from a generator seeded by (seed, epoch) only, so epoch n is the same to the bit whether or not epochs before it
    were run in this process (on the same kind of device). All examples are kept: the last batch is smaller, except that
    one left over is added to the batch before, because batch normalisation cannot train on a batch of one.

    Evaluation: every example once, in the stored order, neither cropped nor flipped.
    """

    def __init__(
        self,
        source: Source,
        manifest: dict[str, Any],
        *,
        image_size: int,
        batch_size: int,
        device: torch.device,
        seed: int,
        train: bool,
        pad: int,
        flip: bool,
        examples: int | None,
        memory_format: torch.memory_format,
        part: PartOf | None = None,
    ) -> None:
        self.source, self.manifest, self.train, self.seed, self.flip = source, manifest, train, seed, flip
        self.device, self.memory_format, self.part = device, memory_format, part
        self.pad = pad if train else 0
        self.num_classes: int = manifest["num_classes"]
        self.augment = Augment(source.source_hw, image_size, manifest["mean"], manifest["std"], self.pad, device)
        subset = None if examples is None else torch.from_numpy(balanced_subset(source.labels.cpu().numpy(), examples))
        self.subset = torch.arange(len(source.labels), device=device) if subset is None else subset.to(device)
        self.batch_size = batch_size
        self._count()

    def _count(self) -> None:
        self.examples = len(self.subset)
        if self.train and min(self.examples, self.batch_size) < 2:
            raise ValueError(f"training needs batches of 2 or more, got {self.batch_size} of {self.examples} examples")
        self.sizes = batch_sizes(self.examples, self.batch_size, avoid_one=self.train)
        self.steps = len(self.sizes)

    def divided(self, share: float) -> tuple[Batches, Batches]:
        """Return the same batches of two parts of the examples, both class-balanced; the second holds `share` of them.

        Raises ValueError where a part is too small to be trained on.
        """
        labels_N = self.source.labels[self.subset].cpu().numpy()
        second_N = torch.zeros(self.examples, dtype=torch.bool, device=self.device)
        second_N[torch.from_numpy(balanced_subset(labels_N, max(1, round(share * self.examples))))] = True
        parts = copy.copy(self), copy.copy(self)
        for part, chosen_N in zip(parts, (~second_N, second_N), strict=True):
            part.subset = self.subset[chosen_N]
            part._count()
        return parts

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (x, y): x float32 (B, C, image_size, image_size), normalised; y int64 (B,); both on the device."""
        count, device = self.examples, self.device
        if self.train:
            generator = torch.Generator(device).manual_seed(epoch_seed(self.seed, epoch))
            order = self.subset[torch.randperm(count, generator=generator, device=device)]
            corners = torch.randint(2 * self.pad + 1, (2, count), generator=generator, device=device)
            flips = torch.rand(count, generator=generator, device=device) < (0.5 if self.flip else 0.0)
        else:
            order = self.subset
            corners = torch.zeros(2, count, dtype=torch.int64, device=device)
            flips = torch.zeros(count, dtype=torch.bool, device=device)
        ends = list(accumulate(self.sizes))
        spans = [self._span(end - size, size) for end, size in zip(ends, self.sizes, strict=True)]
        images = self.source.fetch([order[span] for span in spans])
        for u_BCHW, span, size, end in zip(images, spans, self.sizes, ends, strict=True):
            (top_B, left_B), flip_B = corners[:, span], flips[span]
            x_BCHW = self.augment(u_BCHW, top_B, left_B, flip_B).contiguous(memory_format=self.memory_format)
            if len(x_BCHW) < size:
                x_BCHW = self._among(x_BCHW, span.start - (end - size), size)
            yield x_BCHW, self.source.labels[order[end - size : end]]

    def _span(self, start: int, size: int) -> slice:
        """Return the examples of the epoch's order that this process reads of a batch: one where it takes none."""
        first, last = self.part(size) if self.part else (0, size)
        return slice(start + first, start + last) if first < last else slice(start, start + 1)

    def _among(self, own_BCHW: Tensor, first: int, size: int) -> Tensor:
        """Put the examples of this process at their places in the batch; NaN stands for those of other processes."""
        shape = (size, *own_BCHW.shape[1:])
        x_BCHW = torch.empty(shape, device=self.device, memory_format=self.memory_format).fill_(torch.nan)
        x_BCHW[first : first + len(own_BCHW)] = own_BCHW
        return x_BCHW


def batch_sizes(examples: int, batch_size: int, *, avoid_one: bool) -> list[int]:
    """Return the sizes of consecutive batches; with `avoid_one`, a last batch of one is added to the one before."""
    sizes = [batch_size] * (examples // batch_size)
    rest = examples % batch_size
    if rest == 1 and avoid_one and sizes:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    return sizes


def epoch_seed(seed: int, epoch: int) -> int:
    """Return a 63-bit seed that differs for every (seed, epoch); hashed, so that neighbouring seeds share no epoch."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{epoch}".encode(), digest_size=8).digest(), "big") >> 1


def open_batches(
    root: Path | str,
    split: Split,
    *,
    image_size: int,
    batch_size: int,
    device: torch.device | str = "cpu",
    seed: int = 0,
    train: bool,
    pad: int = 4,
    flip: bool = True,
    examples: int | None = None,
    memory_format: torch.memory_format = torch.channels_last,
    workers: int = 0,
    part: PartOf | None = None,
) -> Batches:
    """Open a split of the data set that `prepare` wrote to `root`.

    Args:
        root: folder of the prepared data set.
        split: "train" or "test" (an ImageFolder's `val`).
        image_size: side of the square output, pixels.
        batch_size: examples per batch; see `Batches` for the last one.
        device: where the data lives and is augmented.
        seed: of order and augmentation, together with the epoch.
        train: shuffle, crop and flip; otherwise all examples once, as they are.
        pad: zero padding before the random crop, pixels of the output.
        flip: mirror half of the training images.
        examples: use only a class-balanced subset of this size, the same whatever the seed.
        memory_format: of the batches.
        workers: threads that read shards, or processes that decode an image folder without shards; 0: neither.
        part: the range of a batch's examples that this process takes, by the batch's size; None: all. Only those are
            read, and the others are NaN; labels are the whole batch's.

    Raises:
        DataError: the data set is not prepared, or was changed since.
        ValueError: a setting out of range.
    """
    root, device = Path(root), torch.device(device)
    if split not in ("train", "test"):
        raise ValueError(f"split {split!r} is neither 'train' nor 'test'")
    for name, value, least in (("image_size", image_size, 1), ("batch_size", batch_size, 1), ("pad", pad, 0)):
        if value < least:
            raise ValueError(f"{name} = {value}, must be {least} or more")
    manifest = read_manifest(root)
    source: Source
    if manifest["kind"] == "folder":
        shards = shards_of(root, image_size)
        if (shards / MANIFEST).exists():
            from hadaptive.data.shards import Shards

            source = Shards(shards, manifest, split, device=device, workers=workers)
        else:
            from hadaptive.data.image_folder import OnDisk

            source = OnDisk(root, manifest, split, image_size=image_size, device=device, workers=workers)
    else:
        source = InMemory(root, manifest, split, device)
    return Batches(
        source,
        manifest,
        image_size=image_size,
        batch_size=batch_size,
        device=device,
        seed=seed,
        train=train,
        pad=pad,
        flip=flip,
        examples=examples,
        memory_format=memory_format,
        part=part,
    )
