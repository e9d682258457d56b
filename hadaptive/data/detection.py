"""Batches of images with boxes: decoded, augmented by torchvision's transforms (appendix A.4), resized to a square."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.transforms import v2

from hadaptive.data import coco_format, scenes
from hadaptive.data.batches import batch_sizes, epoch_seed
from hadaptive.data.errors import DataError
from hadaptive.data.prepared import MANIFEST, location, read_manifest, remedy, verify_file

Target = dict[str, Tensor]


@dataclass(frozen=True)
class Augmentation:
    """The paper's augmentations in its order: hue (degrees) and saturation, expansion, crop; `flip` is not the paper's.

    A crop keeps the objects whose centre lies within it; what an object has outside is cut off.
    """

    hue: float = 18
    saturation: tuple[float, float] = (0.5, 1.5)
    expand: float = 2.0
    crop_iou: tuple[float, ...] = (0.1, 0.3, 0.5)
    flip: bool = False

    def steps(self, objects: bool, ground: tuple[int, ...]) -> list[v2.Transform]:
        """Return the transforms of an image with or without `objects`; `ground` colours the expanded canvas."""
        steps: list[v2.Transform] = [
            v2.ColorJitter(hue=self.hue / 360, saturation=self.saturation),
            v2.RandomZoomOut(fill=ground, side_range=(1.0, self.expand)),
        ]
        if objects and self.crop_iou:  # of an image without objects no crop can be right
            steps.append(v2.RandomIoUCrop(sampler_options=[*self.crop_iou, 1.0]))  # 1.0: the whole image
        return steps + ([v2.RandomHorizontalFlip()] if self.flip else [])


class Scenes:
    """A map-style data set: (index, seed or None) -> an image uint8 (3, S, S) and its target; errors are returned.

    Returned rather than raised, because DataLoader would wrap them in the worker's traceback.
    """

    def __init__(self, root: Path, manifest: dict[str, Any], split: str, size: int, augment: Augmentation) -> None:
        self.folder = location(root) / scenes.FOLDERS[split]
        self.classes: list[str] = manifest["classes"]
        self.known = coco_format.load(verify_file(root, manifest, f"{split}.npz"))
        if problem := self.known.problem(len(self.classes)):
            raise DataError(f"{root / split}.npz: {problem}; {remedy(root)}")
        self.size = size
        ground = tuple(round(255 * level) for level in manifest["mean"])
        ending: list[v2.Transform] = [v2.Resize((size, size)), v2.SanitizeBoundingBoxes()]
        self.changed = {objects: v2.Compose([*augment.steps(objects, ground), *ending]) for objects in (True, False)}
        self.plain = v2.Compose(ending)

    def __getitem__(self, key: tuple[int, int | None]) -> tuple[Tensor, Target] | DataError:
        index, seed = key
        try:
            image = self.image(index)
        except DataError as error:
            return error
        rows = self.known.objects(index)
        single = ~self.known.crowds[rows]
        boxes = tv_tensors.BoundingBoxes(
            torch.from_numpy(self.known.boxes[rows][single]), format="XYXY", canvas_size=(image.height, image.width)
        )
        objects = {"boxes": boxes, "labels": torch.from_numpy(self.known.classes[rows][single])}
        if seed is None:
            image, objects = self.plain(image, objects)
        else:
            with torch.random.fork_rng(devices=[]):  # the training loop's generator is not to move
                torch.manual_seed(seed)
                image, objects = self.changed[len(boxes) > 0](image, objects)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        return pixels, {
            "boxes": objects["boxes"].as_subclass(Tensor),
            "labels": objects["labels"],
            "image": torch.tensor(index),
        }

    def image(self, index: int) -> Image.Image:
        """Read an image as RGB. DataError, naming the file, where it cannot be read or is not as large as annotated."""
        path, identity = self.folder / str(self.known.names[index]), self.known.ids[index]
        try:
            with Image.open(path) as file:
                image = file.convert("RGB")
        except Exception as error:  # a damaged file can make a decoder raise almost anything
            raise DataError(
                f"cannot read {path}, image {identity} ({type(error).__name__}: {error}); "
                f"replace it by the official one"
            ) from None
        if image.size != tuple(self.known.sizes[index]):
            size = "x".join(str(side) for side in self.known.sizes[index])
            raise DataError(
                f"{path} has {image.width}x{image.height} pixels and image {identity} is annotated as {size}; "
                f"replace it by the official one"
            )
        return image


class DetectionBatches:
    """The batches of a split; `epoch(n)` yields (images, targets) of epoch n.

    Images are float32 (B, 3, S, S) in [0, 1]; a target has `boxes` (N, 4) x1, y1, x2, y2 in pixels of the S x S image,
    `labels` (N,) from 0, and `image`, its index in the split. Training: every image once an epoch, in an order and with
    augmentations that depend on (seed, epoch) alone, so epoch n is the same to the bit whether or not those before it
    ran, and with any number of workers. Evaluation: every image once, resized only.
    """

    def __init__(
        self,
        dataset: Scenes,
        *,
        batch_size: int,
        device: torch.device,
        seed: int,
        train: bool,
        examples: int | None,
        workers: int,
    ) -> None:
        self.dataset, self.device, self.seed, self.train, self.workers = dataset, device, seed, train, workers
        whole = len(dataset.known)
        if examples is not None and examples > whole:
            raise DataError(f"{examples} images asked for, but {dataset.folder} has {whole}; lower it in params.yaml")
        # a part is the same whatever the seed; NumPy promises this stream for ever (NEP 19)
        shuffled = np.argsort(np.random.PCG64(0).random_raw(whole), kind="stable")
        self.subset = torch.from_numpy(np.sort(shuffled[: examples or whole]))
        self.examples = len(self.subset)
        if not any(np.diff(dataset.known.starts)[self.subset.numpy()]):
            raise DataError(f"the {self.examples} images of {dataset.folder} have no objects at all; take more of them")
        self.sizes = batch_sizes(self.examples, batch_size, avoid_one=train)
        self.steps = len(self.sizes)

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, list[Target]]]:
        """Yield the batches of an epoch. Raises DataError for an image that cannot be read."""
        order, seeds = self.subset, [None] * self.examples
        if self.train:
            generator = torch.Generator().manual_seed(epoch_seed(self.seed, epoch))
            order = self.subset[torch.randperm(self.examples, generator=generator)]
            seeds = torch.randint(2**62, (self.examples,), generator=generator).tolist()
        keys = list(zip(order.tolist(), seeds, strict=True))
        ends = np.cumsum(self.sizes)
        on_gpu = self.device.type == "cuda"
        loader: DataLoader[Any] = DataLoader(
            self.dataset,  # type: ignore[arg-type]  # a map-style data set is anything with __getitem__
            batch_sampler=[keys[end - size : end] for size, end in zip(self.sizes, ends, strict=True)],
            collate_fn=list,
            num_workers=self.workers,
            generator=torch.Generator(),  # else it would draw from, and so move, the training loop's
        )
        for batch in loader:
            if error := next((item for item in batch if isinstance(item, DataError)), None):
                raise error
            pixels, targets = zip(*batch, strict=True)
            images = torch.stack(pixels).to(self.device, non_blocking=on_gpu).float() / 255
            yield images, [{name: value.to(self.device) for name, value in target.items()} for target in targets]


def open_detection(
    root: Path,
    split: Literal["train", "test"],
    *,
    image_size: int,
    batch_size: int,
    device: torch.device,
    seed: int = 0,
    train: bool,
    augment: Augmentation | None = None,
    examples: int | None = None,
    workers: int = 0,
) -> DetectionBatches:
    """Return the batches of a split of the data set that `prepare` wrote to `root`.

    Raises DataError where it is not prepared, holds no boxes, or has fewer images than `examples`.
    """
    manifest = read_manifest(root)
    if manifest["kind"] != scenes.KIND:
        raise DataError(f"{root / MANIFEST} describes images without boxes; name a data set with boxes, coco or shapes")
    dataset = Scenes(root, manifest, split, image_size, augment or Augmentation())
    return DetectionBatches(
        dataset, batch_size=batch_size, device=device, seed=seed, train=train, examples=examples, workers=workers
    )
