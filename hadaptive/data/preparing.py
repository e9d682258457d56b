"""From a data set's name to a prepared folder. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hadaptive.data import cifar100, digits, image_folder
from hadaptive.data.prepared import MANIFEST, write_arrays
from hadaptive.data.settings import DataSettings, dataset_named
from hadaptive.records import write_json


def prepare(dataset: str, destination: Path | str, settings: DataSettings | None = None) -> dict[str, Any]:
    """Obtain data set `dataset`, verify it and write it to the folder `destination`. Returns the manifest.

    A tensor set becomes `{train,test}_{images,labels}.npy`, images uint8 (N, C, H, W) at native resolution, labels
    int64; an ImageFolder stays where it is. `manifest.json` comes last, so that its presence means all is there.
    Raises DataError if the data cannot be had or are damaged, ValueError for an unknown name.
    """
    settings, folder = settings or DataSettings(), Path(destination)
    kind = dataset_named(dataset).kind
    if kind == "folder":
        manifest = image_folder.manifest_of(dataset, settings.image_folder(dataset))
        write_json(folder / MANIFEST, manifest)
        return manifest
    return write_arrays(dataset, folder, digits.load() if kind == "embedded" else cifar100.load(settings))
