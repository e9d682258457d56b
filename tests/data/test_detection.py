"""Drawn shapes, COCO from a folder or its archives, and batches with boxes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hadaptive.data import DataError, DataSettings, available, coco, prepare, shapes
from hadaptive.data.detection import Augmentation, DetectionBatches, open_detection

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "shapes"
    prepare("shapes", folder, DataSettings())
    return folder


def opened(root: Path, split: Any = "train", train: bool = True, **options: Any) -> DetectionBatches:
    given = {"image_size": 64, "batch_size": 8, "examples": 20, **options}
    return open_detection(root, split, device=CPU, train=train, **given)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder in COCO's layout, to be damaged: two images a split, the second without boxes."""
    root = tmp_path / "root" / "coco"
    for folder in ("train2017", "val2017"):
        (root / folder).mkdir(parents=True)
        for name in ("a.jpg", "b.jpg"):
            Image.new("RGB", (40, 30), "red").save(root / folder / name)
        whole = {
            "images": [{"id": n, "file_name": f"{n:x}.jpg", "width": 40, "height": 30} for n in (10, 11)],
            "categories": [{"id": 7, "name": "thing"}],
            "annotations": [{"id": 1, "image_id": 10, "category_id": 7, "bbox": [2, 3, 20, 10], "iscrowd": 0}],
        }
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"instances_{folder}.json").write_text(json.dumps(whole))
    return root


def test_shapes_are_the_same_each_time_and_their_boxes_fit(drawn: Path, tmp_path: Path) -> None:
    shapes.draw_split(tmp_path, "val2017", 12, seed=1)
    for file in sorted((tmp_path / "val2017").iterdir()):
        assert file.read_bytes() == (drawn / "val2017" / file.name).read_bytes()
    whole = json.loads((drawn / "annotations/instances_train2017.json").read_text())
    assert {each["category_id"] for each in whole["annotations"]} == {1, 2, 3, 4, 5}
    for each in whole["annotations"]:
        x, y, width, height = each["bbox"]
        assert min(x, y) >= 0 and max(x + width, y + height) <= 160.01
        assert min(width, height) > 20 and max(width, height) < 90


def test_an_epoch_depends_on_seed_and_number_alone(drawn: Path) -> None:
    def epoch(batches: DetectionBatches, number: int) -> list[tuple[torch.Tensor, list[dict[str, torch.Tensor]]]]:
        return list(batches.epoch(number))

    batches = opened(drawn)
    state = torch.get_rng_state()
    first, second = epoch(batches, 1), epoch(batches, 2)
    assert torch.equal(state, torch.get_rng_state()), "the training loop's generator was not moved"
    resumed = epoch(opened(drawn), 2)
    for (x, targets), (again, others) in zip(second, resumed, strict=True):
        assert torch.equal(x, again)
        assert all(torch.equal(a["boxes"], b["boxes"]) for a, b in zip(targets, others, strict=True))
    assert not torch.equal(first[0][0], second[0][0])
    assert not torch.equal(first[0][0], next(iter(opened(drawn, seed=1).epoch(1)))[0])
    seen = sorted(int(target["image"]) for _, targets in first for target in targets)
    assert seen == opened(drawn).subset.tolist() and [len(targets) for _, targets in first] == [8, 8, 4]


def test_augmented_boxes_lie_within_the_image_and_have_area(drawn: Path) -> None:
    for x, targets in opened(drawn, augment=Augmentation(flip=True), examples=60).epoch(1):
        assert x.dtype == torch.float32 and x.min() >= 0 and x.max() <= 1
        for target in targets:
            boxes = target["boxes"]
            assert (boxes >= 0).all() and (boxes <= 64).all() and (boxes[:, 2:] > boxes[:, :2]).all()
            assert len(target["labels"]) == len(boxes)


def test_boxes_follow_the_pixels(own: Path, tmp_path: Path) -> None:
    """A white rectangle on black, whatever is done to it, lies where its box says."""
    for folder in ("train2017", "val2017"):
        pixels = np.zeros((30, 40, 3), np.uint8)
        pixels[3:13, 2:22] = 255
        for name in ("a.jpg", "b.jpg"):
            Image.fromarray(pixels).save(own / folder / name, quality=100)
    prepare("coco", tmp_path / "out", DataSettings(root=own.parent))
    batches = opened(tmp_path / "out", examples=None, augment=Augmentation(expand=1.0, flip=True))
    for number in range(1, 20):
        for x, targets in batches.epoch(number):
            (n,) = (n for n, target in enumerate(targets) if int(target["image"]) == 0)
            x1, y1, x2, y2 = targets[n]["boxes"][0].tolist()
            rows, columns = torch.where(x[n].mean(0) > 0.5)
            edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert [float(edge) for edge in edges] == pytest.approx([x1, y1, x2, y2], abs=2.5)


def test_drawn_data_can_be_moved(drawn: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn, tmp_path / "moved")
    folder = opened(tmp_path / "moved").dataset.folder
    assert folder.is_relative_to(tmp_path) and str(drawn) not in (drawn / "manifest.json").read_text()


def test_evaluation_takes_every_image_as_it_is(drawn: Path) -> None:
    batches = opened(drawn, "test", train=False, examples=None)
    found = [target for _, targets in batches.epoch(0) for target in targets]
    assert [int(target["image"]) for target in found] == list(range(60))
    scaled = torch.from_numpy(batches.dataset.known.boxes[batches.dataset.known.objects(0)]) * 64 / 160
    assert torch.allclose(found[0]["boxes"], scaled, atol=1e-4)


def test_an_image_without_boxes_is_a_target_without_boxes(own: Path, tmp_path: Path) -> None:
    manifest = prepare("coco", tmp_path / "out", DataSettings(root=own.parent))
    assert manifest["met"]["train"]["images_without_boxes"] == 1
    assert "a part: 2 of 118287 train images and 2 of 5000 test images" in manifest["source"]
    ((_, targets),) = opened(tmp_path / "out", examples=None).epoch(1)
    assert sorted(len(target["boxes"]) for target in targets) == [0, 1]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:200]), r"cannot read .*train2017/a\.jpg, image 10"),
        (lambda path: Image.new("RGB", (30, 40)).save(path), r"has 30x40 pixels and image 10 is annotated as 40x30"),
        (lambda path: path.unlink(), r"cannot read .*a\.jpg"),
    ],
)
def test_a_damaged_image_is_named(own: Path, tmp_path: Path, damage: Any, said: str) -> None:
    prepare("coco", tmp_path / "out", DataSettings(root=own.parent))
    damage(own / "train2017" / "a.jpg")
    with pytest.raises(DataError, match=said):
        list(opened(tmp_path / "out", examples=None).epoch(1))


def test_what_is_missing_is_named_before_training(own: Path, tmp_path: Path) -> None:
    (own / "val2017" / "b.jpg").unlink()
    with pytest.raises(DataError, match=r"val2017/b\.jpg is not there; .*instances_val2017\.json lists it as image 11"):
        prepare("coco", tmp_path / "out", DataSettings(root=own.parent))
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_splits_must_have_the_same_categories(own: Path, tmp_path: Path) -> None:
    file = own / "annotations/instances_val2017.json"
    file.write_text(file.read_text().replace("thing", "other"))
    with pytest.raises(DataError, match="different categories"):
        prepare("coco", tmp_path / "out", DataSettings(root=own.parent))


def test_more_images_than_there_are_and_data_without_boxes_are_refused(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"241 images asked for, but .* has 240"):
        opened(drawn, examples=241)
    prepare("digits", tmp_path, DataSettings())
    with pytest.raises(DataError, match="describes images without boxes"):
        opened(tmp_path)


def test_images_without_any_object_at_all_are_refused(own: Path, tmp_path: Path) -> None:
    file = own / "annotations/instances_val2017.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "annotations": []}))
    prepare("coco", tmp_path / "out", DataSettings(root=own.parent))
    with pytest.raises(DataError, match=r"the 2 images of .*val2017 have no objects at all"):
        opened(tmp_path / "out", "test", train=False, examples=None)


def test_coco_is_never_downloaded_unasked(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HADAPTIVE_DATA", raising=False)
    assert available("coco", DataSettings(downloads=tmp_path / "none")) == "COCO 2017 not present"
    assert available("coco", DataSettings(root=own.parent)) is None
    assert available("coco", DataSettings(downloads=own.parent)) is None


def test_archives_are_verified_unpacked_once_and_not_kept(own: Path, tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    archives = {}
    for path, folder in (("zips/val2017.zip", "val2017"), ("annotations/some.zip", "annotations")):
        file = downloads / Path(path).name
        with zipfile.ZipFile(file, "w") as packed:
            for each in sorted((own / folder).iterdir()):
                packed.write(each, f"{folder}/{each.name}")
        archives[path] = hashlib.md5(file.read_bytes()).hexdigest()
    settings = DataSettings(downloads=downloads)
    folder = coco.fetch(settings, archives)
    assert (folder / "val2017/a.jpg").is_file() and (folder / "annotations/instances_val2017.json").is_file()
    assert not (downloads / "val2017.zip").exists()
    (folder / "val2017/a.jpg").unlink()
    coco.fetch(settings, archives)
    assert not (folder / "val2017/a.jpg").exists(), "unpacked once"
    (downloads / "val2017.zip").write_bytes(b"PK cut")
    with pytest.raises(DataError, match=r"val2017\.zip .*md5 .*expected"):
        coco.fetch(settings, {**archives, "zips/val2017.zip": "0" * 32})


REAL = Path(os.environ.get("HADAPTIVE_DATA", "/nowhere"))


@pytest.mark.skipif(not (REAL / "coco").is_dir(), reason="needs HADAPTIVE_DATA with coco/")
def test_real_coco(tmp_path: Path) -> None:
    manifest = prepare("coco", tmp_path / "out", DataSettings(root=REAL))
    assert manifest["num_classes"] == 80 and manifest["classes"][0] == "person"
    x, targets = next(iter(opened(tmp_path / "out", image_size=320, batch_size=4).epoch(1)))
    assert x.shape == (4, 3, 320, 320) and all((target["labels"] < 80).all() for target in targets)
