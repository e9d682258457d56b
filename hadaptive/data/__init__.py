"""Data sets: obtain and verify (`prepare`), then serve as augmented batches on the device (`open_batches`)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hadaptive.data.batches import Batches, open_batches
    from hadaptive.data.errors import DataError
    from hadaptive.data.preparing import prepare
    from hadaptive.data.settings import DATASETS, DataSettings, available

# Names as strings: importing the settings loads no torch, and the code a training depends on excludes the downloader.
_HOME = {
    "Batches": "batches",
    "open_batches": "batches",
    "prepare": "preparing",
    "DATASETS": "settings",
    "DataError": "errors",
    "DataSettings": "settings",
    "available": "settings",
}

__all__ = ["DATASETS", "Batches", "DataError", "DataSettings", "available", "open_batches", "prepare"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
