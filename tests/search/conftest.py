"""A small search space, and the embedded data set for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hadaptive.data import DataSettings, prepare
from hadaptive.recipes import SearchRecipe
from hadaptive.run import Search
from hadaptive.space import Space

SMALL: dict[str, Any] = {
    "about": "a small space",
    "candidates": {
        "conv": {"op": "conv"},
        "ghost": {"op": "ghost", "expansion": 2.0},
        "ach_k3": {"op": "ach", "k": 4, "kernel": 3},
        "ach_k5": {"op": "ach", "k": 4, "kernel": 5, "norm": "dyalge"},
        "blank": {"op": "blank"},
    },
    "layers": [
        {"out": 8, "kernel": 2, "stride": 2, "choose": ["conv"]},
        {"out": 12, "kernel": 2, "stride": 2, "choose": ["ghost", "ach_k5"]},
        {"out": 12, "kernel": 3, "choose": ["ghost", "ach_k3", "ach_k5", "blank"]},
        {"out": 16, "kernel": 3, "choose": ["ghost", "ach_k3"]},
    ],
}


@pytest.fixture
def space() -> Space:
    return Space.model_validate(SMALL)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "digits"
    prepare("digits", folder, DataSettings())
    return folder


@pytest.fixture
def small_search(space: Space) -> Callable[..., Search]:
    """A search on 96 digits in three epochs; keywords change its recipe."""

    def make(seed: int = 0, **changes: Any) -> Search:
        recipe = {
            "epochs": 3,
            "image_size": 32,
            "batch_size": 16,
            "train_examples": 96,
            "flip": False,
            "lr_architecture": 0.05,
            **changes,
        }
        return Search(
            scale="test",
            task="search",
            model="hadaptive_net",
            variant="small",
            dataset="digits",
            seed=seed,
            space=space,
            recipe=SearchRecipe.model_validate(recipe),
        )

    return make
