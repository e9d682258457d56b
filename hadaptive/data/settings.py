"""The data sets by name, where to look for them, and whether they can be had. Imports no torch: the workflow asks
`available` while it is being parsed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from hadaptive.data.errors import DataError
from hadaptive.errors import nearest
from hadaptive.settings import Settings

ENVIRONMENT_VARIABLE = "HADAPTIVE_DATA"


@dataclass(frozen=True)
class Dataset:
    """How a data set is obtained: `embedded` in a dependency, by `download`, or from the user's image `folder`.

    A `large` one is a folder too, but `hadaptive data` fetches it where there is none: never by itself.

    `module` has `prepare(name, destination, settings)`, which writes the prepared folder and returns its manifest.
    """

    title: str
    kind: Literal["embedded", "download", "folder", "large"]
    module: str
    holds: Literal["images", "images with boxes", "sentences"]
    most: tuple[int, int] | None = None  # examples to train on and to test; None: known once it is prepared
    folder: str | None = None  # the sub-folder of the data root that holds <train|val>/<class>/*


_HERE = "hadaptive.data"
DATASETS: dict[str, Dataset] = {
    "digits": Dataset("scikit-learn digits", "embedded", f"{_HERE}.digits", "images", (1_437, 360)),
    "cifar100": Dataset("CIFAR-100", "download", f"{_HERE}.cifar100", "images", (50_000, 10_000)),
    "imagenet1k": Dataset("ImageNet-1k", "folder", f"{_HERE}.image_folder", "images", folder="imagenet1k"),
    "tiny_imagenet": Dataset("Tiny ImageNet", "folder", f"{_HERE}.image_folder", "images", folder="tiny-imagenet"),
    "coco": Dataset("COCO 2017", "large", f"{_HERE}.coco", "images with boxes", (118_287, 5_000), "coco"),
    "shapes": Dataset("drawn shapes", "embedded", f"{_HERE}.shapes", "images with boxes", (240, 60)),
    "sentiment": Dataset("a small grammar of sentiment", "embedded", f"{_HERE}.grammar", "sentences", (1_200, 300)),
    "entailment": Dataset("a small grammar of entailment", "embedded", f"{_HERE}.grammar", "sentences", (1_200, 300)),
    "sst2": Dataset("SST-2", "download", f"{_HERE}.glue", "sentences", (67_349, 872)),
    "mnli": Dataset("10% of MNLI", "download", f"{_HERE}.glue", "sentences"),
}


def dataset_named(name: str) -> Dataset:
    """Look a data set up. Raises ValueError with the nearest known name."""
    if name not in DATASETS:
        raise ValueError(f"unknown data set {name!r}.{nearest(name, list(DATASETS))}")
    return DATASETS[name]


class DataSettings(Settings):
    """Where data sets come from."""

    root: Path | None = Field(default=None, description=f"folder with local copies; default: ${ENVIRONMENT_VARIABLE}")
    folders: dict[str, Path] = Field(default={}, description="image folders by data set, when not under root")
    mirrors: dict[str, list[str]] = Field(default={}, description="addresses tried before the official, by data set")
    vocabulary: Path | None = Field(default=None, description="bert-base-uncased's vocab.txt, when not under root")
    downloads: Path = Field(default=Path("data/downloads"), description="where downloaded archives are kept")
    shards: bool = Field(
        default=True,
        description="decode image folders once, to memory-mapped shards (ImageNet at 224 px: 200 GB); false: at every "
        "epoch, to the same pixels",
        exclude_if=lambda value: value,  # so that its coming prepares no data set again
    )
    timeout_s: float = Field(
        default=30.0, gt=0, le=86_400, description="seconds without an answer before a server is given up"
    )

    @field_validator("folders", "mirrors")
    @classmethod
    def _known_names(cls, value: dict[str, object]) -> dict[str, object]:
        for name in value:
            dataset_named(name)
        return value

    def local_root(self) -> Path | None:
        """Return the folder with local copies, or None. Raises DataError if one is named but does not exist."""
        named, by = (self.root, "data.root") if self.root else (os.environ.get(ENVIRONMENT_VARIABLE), "the environment")
        if not named:
            return None
        root = Path(named).expanduser()
        if not root.is_dir():
            raise DataError(f"the data folder {root} named by {by} is not a folder; correct or unset {_knob(by)}")
        return root

    def local_folder(self, name: str) -> Path | None:
        """Find the folder of a `large` data set: in the data root, or where it was unpacked; None without one."""
        root, below = self.local_root(), dataset_named(name).folder
        assert below is not None, f"{name} is in no folder"
        places = [*([root / below] if root is not None else []), self.downloads / below]
        return next((place for place in places if place.is_dir()), None)

    def image_folder(self, name: str) -> Path:
        """Find the folder that holds <train|val>/<class>/* of data set `name`. Raises DataError if it is not there."""
        dataset = dataset_named(name)
        if name in self.folders:
            folder = self.folders[name].expanduser()
        else:
            assert dataset.folder is not None, f"{name} is not an image folder"
            root = self.local_root()
            folder = (root or Path(f"${ENVIRONMENT_VARIABLE}")) / dataset.folder
        if not all((folder / split).is_dir() for split in ("train", "val")):
            raise DataError(
                f"{dataset.title} not present: no {folder}/train and {folder}/val. Set {ENVIRONMENT_VARIABLE} to a "
                f"folder that holds {dataset.folder or name}/{{train,val}}/<class>/, or set data.folders.{name}"
            )
        return folder


def _knob(by: str) -> str:
    return ENVIRONMENT_VARIABLE if by == "the environment" else by


def available(name: str, settings: DataSettings) -> str | None:
    """None if data set `name` can be had (embedded, local or downloadable), else the reason it cannot, as for a cell.

    Looks at no more than a few paths and never at the network. Raises ValueError for an unknown name.
    """
    dataset = dataset_named(name)
    try:
        if dataset.kind == "folder":
            settings.image_folder(name)
        elif dataset.kind == "large":
            if settings.local_folder(name) is None:
                return f"{dataset.title} not present"
        elif dataset.kind == "download":
            settings.local_root()
    except DataError as error:
        return f"{dataset.title} not present" if dataset.kind == "folder" else str(error)
    return None
