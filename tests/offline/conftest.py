"""A copy of the project whose demonstration is two tiny trainings, to be packed, run elsewhere and merged."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from hadaptive.data.prepared import Arrays
from tests.workflow.conftest import ROOT, Project, copied

MODELS = ("hadaptive_net_s", "mobilenetv3_small_100")


def drawn(shape: tuple[int, int, int] = (1, 8, 8)) -> Arrays:
    """26 images of noise in three classes."""
    draw = np.random.default_rng(0)
    counts = {"train": 21, "test": 5}
    parts = {f"{split}_images": draw.integers(0, 256, (n, *shape), np.uint8) for split, n in counts.items()}
    labels = {f"{split}_labels": draw.integers(0, 3, n) for split, n in counts.items()}
    return Arrays(**parts, **labels, classes=["a", "b", "c"], source="drawn")


@pytest.fixture
def tiny(tmp_path: Path) -> Project:
    """A project in which nothing has run; of its scale `demo` two models are left, three epochs of 64 images each."""
    project = copied(tmp_path / "project")
    for name in ("pyproject.toml", "tests/kernels"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, project.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, project.folder / name)
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    recipe = {"epochs": 3, "image_size": 32, "batch_size": 16, "train_examples": 64, "pad": 0, "flip": False}
    for part in ("zoo", "detection"):
        values[part] = {name: values[part][name] for name in MODELS}
    values["variants"] = {"dysoft": {"of": ["hadaptive_net_s"], "options": {"norm": "dysoft"}}}
    values["search"] = {}
    values["scales"] = {"demo": {"stand_in": True, "tasks": {"cifar100": {"dataset": "digits", "recipe": recipe}}}}
    (project.folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return project
