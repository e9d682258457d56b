"""COCO's format: what is kept, what is cut, what is refused and how."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hadaptive.data import DataError
from hadaptive.data.coco_format import load, read

WHOLE: dict[str, Any] = {
    "images": [
        {"id": 9, "file_name": "nine.jpg", "width": 100, "height": 50},
        {"id": 3, "file_name": "three.jpg", "width": 40, "height": 40},
        {"id": 5, "file_name": "five.jpg", "width": 40, "height": 40},
    ],
    "categories": [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}],
    "annotations": [
        {"id": 1, "image_id": 9, "category_id": 90, "bbox": [10, 10, 20, 20], "iscrowd": 0},
        {"id": 2, "image_id": 9, "category_id": 1, "bbox": [90.5, 40, 20, 20], "iscrowd": 1},
        {"id": 3, "image_id": 3, "category_id": 1, "bbox": [-2, 0, 10, 10], "iscrowd": 0},
        {"id": 4, "image_id": 3, "category_id": 1, "bbox": [5, 5, 0, 10], "iscrowd": 0},
    ],
}


def written(folder: Path, whole: Any) -> Path:
    file = folder / "instances.json"
    file.write_text(whole if isinstance(whole, str) else json.dumps(whole))
    return file


def test_images_and_categories_are_in_order_of_id(tmp_path: Path) -> None:
    found, categories, _ = read(written(tmp_path, WHOLE))
    assert found.ids.tolist() == [3, 5, 9] and found.names.tolist() == ["three.jpg", "five.jpg", "nine.jpg"]
    assert [each["name"] for each in categories] == ["person", "toothbrush"]
    assert found.classes[found.objects(2)].tolist() == [1, 0]
    assert found.crowds[found.objects(2)].tolist() == [False, True]
    assert found.sizes[2].tolist() == [100, 50]


def test_boxes_are_cut_at_the_edge_and_those_without_area_left_out(tmp_path: Path) -> None:
    found, _, counts = read(written(tmp_path, WHOLE))
    assert found.boxes[found.objects(2)].tolist() == [[10, 10, 30, 30], [90.5, 40, 100, 50]]
    assert found.boxes[found.objects(0)].tolist() == [[0, 0, 8, 10]]
    assert counts == {"cut_at_the_edge": 2, "without_area": 1, "crowds": 1, "images_without_boxes": 1}


def test_an_image_without_boxes_is_kept(tmp_path: Path) -> None:
    found, _, _ = read(written(tmp_path, {**WHOLE, "annotations": []}))
    assert len(found) == 3 and found.boxes.shape == (0, 4) and found.starts.tolist() == [0, 0, 0, 0]


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    found, _, _ = read(written(tmp_path, WHOLE))
    found.save(tmp_path / "train.npz")
    again = load(tmp_path / "train.npz")
    assert all(np.array_equal(value, getattr(again, name)) for name, value in vars(found).items())


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut"])
def test_damaged_arrays_are_named(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "train.npz").write_bytes(damage)
    with pytest.raises(DataError, match=r"train\.npz is missing or damaged .*prepare the data set again"):
        load(tmp_path / "train.npz")


@pytest.mark.parametrize(
    ("row", "change", "said"),
    [
        (0, {"category_id": 91}, r"annotation 1 has category 91, which is not among the file's 2"),
        (0, {"image_id": 8}, r"annotation 1 is of image 8, which the file does not list"),
        (2, {"bbox": [50, 0, 10, 10]}, r"annotation 3 of image 3 \(three.jpg\): bbox .* lies outside .*40x40"),
        (2, {"bbox": [0, -10, 10, 10]}, r"annotation 3 .* lies outside"),
        (2, {"bbox": [0, 0, -1, 10]}, r"annotation 3 .* negative width or height"),
        (2, {"bbox": [0, 0, 10]}, r"annotation 3 .* is not \[x, y, width, height\]"),
        (2, {"bbox": [0, 0, "a", 10]}, r"annotation 3 .* is not \[x, y, width, height\]"),
        (2, {"bbox": None}, r"annotation 3 .* is not \[x, y, width, height\]"),
        (1, {"category_id": None}, r"annotation 2 has category_id = None, not a whole number"),
    ],
)
def test_a_bad_annotation_is_named_with_its_file(tmp_path: Path, row: int, change: dict[str, Any], said: str) -> None:
    whole = copy.deepcopy(WHOLE)
    whole["annotations"][row] |= change
    with pytest.raises(DataError, match=rf"instances\.json: {said}"):
        read(written(tmp_path, whole))


@pytest.mark.parametrize(
    ("whole", "said"),
    [
        ("{", "is unreadable"),
        ("[]", "holds no annotations in COCO's format"),
        ({"images": []}, "has no list of categories"),
        ({**WHOLE, "images": []}, "lists no images"),
        ({**WHOLE, "images": [WHOLE["images"][0]] * 2}, "image 9 is there twice"),
        ({**WHOLE, "images": [{**WHOLE["images"][0], "width": 0}]}, "image 9 has 0x50 pixels"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, whole: Any, said: str) -> None:
    with pytest.raises(DataError, match=rf"instances\.json.* ?{said}"):
        read(written(tmp_path, whole))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no .*instances\.json"):
        read(tmp_path / "instances.json")
