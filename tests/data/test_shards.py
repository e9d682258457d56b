"""Images decoded once: the same pixels, resumable, verified, and each rank reads its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hadaptive.cli.plan import Job, summary
from hadaptive.data import DataError, DataSettings, open_batches, prepare, sharding, stamps
from hadaptive.data.batches import Batches
from hadaptive.data.shards import Shards
from hadaptive.recipes import Recipe
from hadaptive.run import Classification
from hadaptive.study.runs import manifests_of

SIDE = 8


@pytest.fixture
def settings(tmp_path: Path) -> DataSettings:
    """Two classes of six images each in both splits."""
    random, root = np.random.default_rng(0), tmp_path / "images"
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            (root / split / name).mkdir(parents=True)
            for index in range(6):
                pixels = random.integers(256, size=(10 + index, 14, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{index}.jpg")
    return DataSettings(folders={"tiny_imagenet": root})


@pytest.fixture
def prepared(settings: DataSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image folder without shards; one takes five images."""
    monkeypatch.setattr(sharding, "SHARD", 5 * 3 * SIDE**2)
    prepare("tiny_imagenet", tmp_path / "tiny_imagenet", settings)
    return tmp_path / "tiny_imagenet"


def decoded(prepared: Path) -> dict[str, Any]:
    return sharding.make(sharding.plan_of(prepared, SIDE), processes=1)


def opened(prepared: Path, split: Any = "train", **more: Any) -> Batches:
    return open_batches(prepared, split, image_size=SIDE, batch_size=5, train=split == "train", **more)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_bits_as_without_shards(prepared: Path, workers: int) -> None:
    before = [list(opened(prepared, split).epoch(1)) for split in ("train", "test")]
    manifest = decoded(prepared)
    assert sorted(manifest["files"])[:3] == ["test_images_00000.npy", "test_images_00001.npy", "test_images_00002.npy"]
    shutil.rmtree(prepared.parent / "images")  # no image is opened any more
    after = [list(opened(prepared, split, workers=workers).epoch(1)) for split in ("train", "test")]
    for one, other in zip(before, after, strict=True):
        for (x, y), (x2, y2) in zip(one, other, strict=True):
            assert torch.equal(x, x2) and torch.equal(y, y2)


def test_what_is_finished_is_not_decoded_again(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def until_killed(path: Path, image_size: int) -> Any:
        seen.append(path.name)
        if len(seen) == 8:
            raise KeyboardInterrupt
        return decode(path, image_size)

    decode = sharding.decode
    monkeypatch.setattr(sharding, "decode", until_killed)
    with pytest.raises(KeyboardInterrupt):
        decoded(prepared)
    assert not (prepared / f"{SIDE}px/manifest.json").exists()
    plan = sharding.plan_of(prepared, SIDE)
    assert [len(shard.images) for shard in plan.missing] == [5, 2, 5, 5, 2], "the first of six is there"
    (prepared / f"{SIDE}px/train_images_00000.npy").write_bytes(b"damaged since")
    assert len(sharding.plan_of(prepared, SIDE).missing) == 6
    again = decoded(prepared)
    assert len(seen) == 8 + 24
    assert decoded(prepared) == again and len(seen) == 32, "nothing is left to do"


def test_a_plan_prices_what_is_left_to_decode(prepared: Path) -> None:
    command = f"python -m hadaptive data tiny_imagenet --image-size {SIDE} --threads 2"
    job = Job("decode", (f"{prepared}/{SIDE}px/manifest.json",), command)
    text = summary([job])
    assert "4.6 kB" in text and "no estimate" not in text, "24 images of 3 x 8 x 8 bytes"
    absent = Job("decode", (f"{prepared}_absent/{SIDE}px/manifest.json",), command)
    assert "1 of 1 jobs have no estimate" in summary([absent])


def test_a_shard_is_hashed_once_and_again_when_it_changed(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded(prepared)
    hashed: list[str] = []
    sha256 = stamps.sha256
    monkeypatch.setattr(stamps, "sha256", lambda path: hashed.append(path.name) or sha256(path))
    opened(prepared)
    assert hashed == [], "hashed when they were written"
    folder = prepared / f"{SIDE}px"
    os.utime(folder / "test_images_00001.npy", ns=(1, 1))
    opened(prepared)
    opened(prepared)
    assert hashed == ["test_images_00001.npy"]
    path = folder / "train_images_00001.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(DataError, match=r"00001\.npy was changed .*; `hadaptive data tiny_imagenet --image-size 8`"):
        opened(prepared)
    path.unlink()
    with pytest.raises(DataError, match=r"00001\.npy is missing"):
        opened(prepared)
    decoded(prepared)
    opened(prepared)


def test_shards_of_other_images_are_refused(prepared: Path, settings: DataSettings) -> None:
    decoded(prepared)
    images = settings.folders["tiny_imagenet"]
    (images / "train/cat/5.jpg").unlink()
    with pytest.raises(DataError, match=r"train has changed since it was prepared; `hadaptive data tiny_imagenet`"):
        sharding.plan_of(prepared, SIDE)
    prepare("tiny_imagenet", prepared, settings)
    with pytest.raises(DataError, match=r"8px holds no shards of the images in .*tiny_imagenet; `hadaptive data"):
        opened(prepared)
    assert decoded(prepared)["counts"] == {"train": 11, "test": 12}
    assert opened(prepared).examples == 11


def test_a_small_disk_is_refused_beforehand(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = sharding.plan_of(prepared, SIDE)
    assert "4.6 kB in 6 shards, 0.0 kB there; decoding 24 images takes about 0 s in 2 processes" in plan.text(2)
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1000))
    with pytest.raises(DataError, match=r"needs 4\.6 kB more and its disk has 1\.0 kB; .* data\.shards: false"):
        sharding.make(plan, processes=1)
    assert not (prepared / f"{SIDE}px").exists()


def test_an_unreadable_image_is_one_clear_message(prepared: Path, settings: DataSettings) -> None:
    broken = settings.folders["tiny_imagenet"] / "train/dog/0.jpg"
    broken.write_bytes(broken.read_bytes()[:200].ljust(broken.stat().st_size, b"\0"))
    with pytest.raises(DataError, match=r"cannot read image .*dog/0\.jpg \(.*; replace or delete it"):
        decoded(prepared)


def test_each_rank_reads_its_own_images(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded(prepared)
    whole = list(opened(prepared).epoch(1))
    read: list[list[int]] = []
    original = Shards._read
    monkeypatch.setattr(Shards, "_read", lambda self, indices: read.append(indices) or original(self, indices))
    for rank in (0, 1):
        own = list(opened(prepared, part=lambda size, rank=rank: (size * rank // 2, size * (rank + 1) // 2)).epoch(1))
        for (x, y), (x2, y2) in zip(whole, own, strict=True):
            first, last = len(y) * rank // 2, len(y) * (rank + 1) // 2
            assert torch.equal(y, y2), "labels are those of the whole batch"
            assert torch.equal(x[first:last], x2[first:last])
            others = torch.cat([x2[:first], x2[last:]])
            assert others.isnan().all() and len(others) == len(y) - (last - first)
    assert sorted(index for indices in read for index in indices) == list(range(12))


def test_a_training_on_an_image_folder_needs_its_shards() -> None:
    recipe = Recipe(image_size=160)
    run = Classification(
        scale="paper", task="imagenet1k", model="a", variant="base", dataset="imagenet1k", recipe=recipe, seed=0
    )
    whole = "data/prepared/imagenet1k/manifest.json"
    assert manifests_of(run, DataSettings()) == [whole, "data/prepared/imagenet1k/160px/manifest.json"]
    assert manifests_of(run, DataSettings(shards=False)) == [whole]
    assert "shards" not in DataSettings().model_dump(mode="json"), "data prepared before stay up to date"


@pytest.mark.slow
def test_killed_with_its_processes_it_goes_on(settings: DataSettings, tmp_path: Path) -> None:
    """Large shards of many images; the killed command's processes end with it."""
    images = settings.folders["tiny_imagenet"]
    for copy in range(120):
        shutil.copy(images / "train/cat/0.jpg", images / f"train/cat/copy{copy}.jpg")
    words = ["-m", "hadaptive", "data", "tiny_imagenet", "--settings", settings.model_dump_json(), "--image-size"]
    command = [sys.executable, *words, "1500", "--threads", "2", "--out", str(tmp_path / "tiny_imagenet")]
    folder = tmp_path / "tiny_imagenet/1500px"
    with subprocess.Popen(command, start_new_session=True) as running:
        while not (folder / "verified.json").exists():
            assert running.poll() is None
            time.sleep(0.02)
        os.kill(running.pid, signal.SIGKILL)
    time.sleep(2)
    assert not [line for line in Path("/proc").glob("[0-9]*/stat") if f" {running.pid} " in _text(line)]
    made = {path: path.stat().st_mtime_ns for path in folder.glob("*.npy")}
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert " in 5 shards, 0.0 kB there" not in done.stdout and "7 files" in done.stdout
    assert any(path.stat().st_mtime_ns == then for path, then in made.items())


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
