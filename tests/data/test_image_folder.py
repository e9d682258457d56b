from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hadaptive.data import DataError, DataSettings, open_batches, prepare
from hadaptive.data.prepared import location

SPLITS = {"train": 3, "val": 2}
# From Python 3.12 on, forking a worker from a process with threads warns; the workers only decode.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two classes, one greyscale PNG and else JPEGs of any shape, one of them in a sub-folder."""
    random, root = np.random.default_rng(0), tmp_path / "images"
    for split, count in SPLITS.items():
        for name in ("cat", "dog"):
            folder = root / split / name
            (folder / "more").mkdir(parents=True)
            for index in range(count):
                pixels = random.integers(256, size=(10 + index, 14, 3), dtype=np.uint8)
                Image.fromarray(pixels).save((folder / "more" if index else folder) / f"{index}.JPEG", quality=95)
    Image.fromarray(random.integers(256, size=(9, 9), dtype=np.uint8)).save(root / "train" / "dog" / "grey.png")
    (root / "train" / "dog" / "notes.txt").write_text("not an image")
    return root


@pytest.fixture
def prepared(images: Path, tmp_path: Path) -> Path:
    prepare("tiny_imagenet", tmp_path / "out", settings(images))
    return tmp_path / "out"


def settings(images: Path) -> DataSettings:
    return DataSettings(folders={"tiny_imagenet": images})


def test_manifest(images: Path, prepared: Path, tmp_path: Path) -> None:
    assert sorted(path.name for path in prepared.iterdir()) == ["location.json", "manifest.json"]
    manifest = prepare("tiny_imagenet", tmp_path / "again", settings(images))
    assert manifest["counts"] == {"train": 7, "test": 4}
    assert manifest["classes"] == ["cat", "dog"]
    assert location(prepared) == images
    assert (prepared / "manifest.json").read_bytes() == (tmp_path / "again" / "manifest.json").read_bytes()
    moved = shutil.copytree(images, tmp_path / "elsewhere")
    prepare("tiny_imagenet", tmp_path / "moved", settings(moved))
    assert (tmp_path / "moved/manifest.json").read_bytes() == (prepared / "manifest.json").read_bytes(), "no path in it"
    (images / "train" / "dog" / "grey.png").rename(images / "train" / "dog" / "renamed.png")
    assert prepare("tiny_imagenet", tmp_path / "again", settings(images))["sha256"] != manifest["sha256"]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches(images: Path, prepared: Path, workers: int) -> None:
    batches = open_batches(prepared, "train", image_size=8, batch_size=3, train=True, seed=1, workers=workers)
    assert (batches.examples, batches.num_classes, batches.steps) == (7, 2, 2)
    state = torch.get_rng_state()
    x, y = zip(*batches.epoch(0), strict=True)
    assert torch.equal(state, torch.get_rng_state())
    assert [tuple(part.shape) for part in x] == [(3, 3, 8, 8), (4, 3, 8, 8)]
    assert sorted(torch.cat(y).tolist()) == [0, 0, 0, 1, 1, 1, 1]
    again = open_batches(prepared, "train", image_size=8, batch_size=3, train=True, seed=1)
    assert all(torch.equal(a, b) for a, (b, _) in zip(x, again.epoch(0), strict=True))


def test_pixels_and_labels_belong_together(images: Path, prepared: Path) -> None:
    batches = open_batches(prepared, "test", image_size=8, batch_size=9, train=False)
    ((x, y),) = batches.epoch(0)
    paths = ["cat/0.JPEG", "cat/more/1.JPEG", "dog/0.JPEG", "dog/more/1.JPEG"]
    assert y.tolist() == [0, 0, 1, 1]
    for image, path in zip(x, paths, strict=True):
        with Image.open(images / "val" / path) as file:
            pixels = torch.from_numpy(np.array(file.resize((8, 8), Image.Resampling.BILINEAR))).permute(2, 0, 1)
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        expected = (pixels / 255 - mean[:, None, None]) / std[:, None, None]
        torch.testing.assert_close(image, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_is_one_clear_message(images: Path, prepared: Path, workers: int) -> None:
    broken = images / "val" / "dog" / "0.JPEG"
    broken.write_bytes(broken.read_bytes()[:200])
    batches = open_batches(prepared, "test", image_size=8, batch_size=2, train=False, workers=workers)
    with pytest.raises(DataError) as error:
        list(batches.epoch(0))
    assert str(error.value).startswith(f"cannot read image {broken} (")
    assert str(error.value).endswith("; replace or delete it, then prepare the data set again")
    assert "Traceback" not in str(error.value)
    assert "\n" not in str(error.value)


def test_wrong_folders(images: Path, tmp_path: Path) -> None:
    (images / "train" / "owl").mkdir()
    with pytest.raises(DataError, match=r"class folder .*train/owl is empty .*; fill it or remove it"):
        prepare("tiny_imagenet", tmp_path / "out", settings(images))
    Image.new("RGB", (4, 4)).save(images / "train" / "owl" / "0.png")
    with pytest.raises(DataError, match=r"classes of .* differ: 3 and 2, for example 'owl' is only in train; give"):
        prepare("tiny_imagenet", tmp_path / "out", settings(images))
    shutil.rmtree(images / "val")
    (images / "val").mkdir()
    with pytest.raises(DataError, match="val holds no class folders"):
        prepare("tiny_imagenet", tmp_path / "out", settings(images))
    (images / "val").rmdir()
    with pytest.raises(DataError, match=r"Tiny ImageNet not present: .*set data\.folders\.tiny_imagenet"):
        prepare("tiny_imagenet", tmp_path / "out", settings(images))


def test_changed_since_prepared(images: Path, prepared: Path) -> None:
    (images / "train" / "dog" / "grey.png").unlink()
    with pytest.raises(
        DataError, match=r"train has changed since it was prepared: 6 images .* then 7 .*; `hadaptive data out` makes"
    ):
        open_batches(prepared, "train", image_size=8, batch_size=2, train=True)
    shutil.rmtree(images / "train")
    with pytest.raises(DataError, match="is gone since it was prepared"):
        open_batches(prepared, "train", image_size=8, batch_size=2, train=True)


def test_the_real_one(real_data: Path, tmp_path: Path) -> None:
    if not (real_data / "tiny-imagenet").is_dir():
        pytest.skip("HADAPTIVE_DATA holds no tiny-imagenet/")
    manifest = prepare("tiny_imagenet", tmp_path, DataSettings(root=real_data))
    assert manifest["num_classes"] == 200
    batches = open_batches(tmp_path, "test", image_size=64, batch_size=500, train=False, examples=400)
    x, y = next(batches.epoch(0))
    assert torch.bincount(y).tolist() == [2] * 200
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(3), atol=0.3, rtol=0)
    torch.testing.assert_close(x.std((0, 2, 3)), torch.ones(3), atol=0.3, rtol=0)
