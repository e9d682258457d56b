"""Ways of decoding: what is exact is exact, and what is not shows its difference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hadaptive.data import DataSettings, prepare, sharding
from hadaptive.errors import UserError
from hadaptive.measure.bench_data import decoding_ratios


def test_ways_of_decoding_are_compared_with_the_whole_image(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for split in ("train", "val"):
        (tmp_path / "images" / split / "cat").mkdir(parents=True)
        for number in range(3):
            pixels = random.integers(256, size=(96, 128, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / split / "cat" / f"{number}.jpg")
    prepared = tmp_path / "tiny_imagenet"
    prepare("tiny_imagenet", prepared, DataSettings(folders={"tiny_imagenet": tmp_path / "images"}))
    sharding.make(sharding.plan_of(prepared, 16), processes=1)
    found = decoding_ratios(prepared, 16)
    assert found["images"] == 3
    assert [found[name]["largest_difference"] for name in ("pillow", "shard")] == [0, 0]
    assert found["pillow_draft"]["largest_difference"] > found["torchvision"]["largest_difference"]


def test_other_data_sets_hold_no_files_to_decode(tmp_path: Path) -> None:
    prepare("digits", tmp_path)
    with pytest.raises(UserError, match="is no image folder; name one by --dataset"):
        decoding_ratios(tmp_path, 16)
