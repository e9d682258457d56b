"""The paper, re-runnable: Adaptive Cross-Hadamard Products (ICLR 2026), from data to LaTeX."""

from __future__ import annotations

import importlib
from typing import Any

# Loaded on first use: the workflow imports this package at every start and needs neither torch nor pandas for it.
_EXPORTS = {
    "AdaptiveCrossHadamard": "hadaptive.nn.ach",
    "Record": "hadaptive.api",
    "Run": "hadaptive.api",
    "Study": "hadaptive.api",
    "claims": "hadaptive.api",
    "create_model": "hadaptive.nn.zoo",
    "load_study": "hadaptive.api",
    "read_record": "hadaptive.api",
    "results": "hadaptive.study.results",
    "retrofit": "hadaptive.nn.retrofit",
    "table": "hadaptive.api",
    "train_run": "hadaptive.api",
}
__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        try:
            return getattr(importlib.import_module(_EXPORTS[name]), name)
        except ModuleNotFoundError as error:
            from hadaptive.errors import lacks  # not above: a pack for another machine has this file without it

            raise ModuleNotFoundError(f"hadaptive.{name} {lacks(error)}", name=error.name) from error
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
