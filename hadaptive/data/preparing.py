"""From a data set's name to a prepared folder. Imports no torch."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from hadaptive.data.settings import DataSettings, dataset_named


def prepare(dataset: str, destination: Path | str, settings: DataSettings | None = None) -> dict[str, Any]:
    """Obtain data set `dataset`, verify it and write it to the folder `destination`. Returns the manifest.

    A set of small images becomes `{train,test}_{images,labels}.npy`, images uint8 (N, C, H, W) at native resolution,
    labels int64; an image folder stays where it is. `manifest.json` comes last: its presence means all is there.
    Raises DataError if the data cannot be had or are damaged, ValueError for an unknown name.
    """
    module = import_module(dataset_named(dataset).module)  # by name: a change of one data set prepares no other again
    manifest: dict[str, Any] = module.prepare(dataset, Path(destination), settings or DataSettings())
    return manifest
