from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hadaptive.data import DataError, DataSettings, available, prepare
from hadaptive.data.prepared import channel_statistics


def test_digits(digits_root: Path) -> None:
    manifest = json.loads((digits_root / "manifest.json").read_text())
    assert manifest["counts"] == {"train": 1437, "test": 360}
    assert manifest["num_classes"] == 10
    assert manifest["image_shape"] == [3, 8, 8]
    images = {split: np.load(digits_root / f"{split}_images.npy") for split in ("train", "test")}
    labels = {split: np.load(digits_root / f"{split}_labels.npy") for split in ("train", "test")}
    assert np.bincount(labels["test"]).tolist() == [36] * 10
    assert images["train"].dtype == np.uint8
    assert images["train"].max() == 255
    # together they are scikit-learn's scans, each once
    from sklearn.datasets import load_digits

    together = np.concatenate([images["train"], images["test"]])[:, 0].reshape(1797, 64)
    scans = np.rint(load_digits().data * 255 / 16)
    assert np.array_equal(np.unique(together, axis=0), np.unique(scans, axis=0))
    for name, entry in manifest["files"].items():
        assert hashlib.sha256((digits_root / name).read_bytes()).hexdigest() == entry["sha256"]
    assert sorted(path.name for path in digits_root.iterdir()) == sorted([*manifest["files"], "manifest.json"])


def test_the_bytes_are_the_same_again(digits_root: Path, tmp_path: Path) -> None:
    prepare("digits", tmp_path)
    for path in digits_root.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_statistics_are_over_all_pixels() -> None:
    images = np.random.default_rng(0).integers(256, size=(50, 3, 5, 4), dtype=np.uint8)
    mean, std = channel_statistics(images)
    np.testing.assert_allclose(mean, images.mean((0, 2, 3)) / 255, atol=1e-6)
    np.testing.assert_allclose(std, images.std((0, 2, 3)) / 255, atol=1e-6)


def test_what_cannot_be_written_is_an_error_and_nothing_half_remains(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"file"):
        prepare("digits", tmp_path / "file")
    (tmp_path / "out" / "test_images.npy").mkdir(parents=True)  # cannot be replaced by a file
    with pytest.raises(OSError, match=r"test_images\.npy"):
        prepare("digits", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "test_images.npy",
        "train_images.npy",
        "train_labels.npy",
    ]


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match=r"unknown data set 'cifar10'\. Did you mean 'cifar100'"):
        prepare("cifar10", "anywhere")
    with pytest.raises(ValueError, match="unknown data set 'cifar10'"):
        DataSettings(mirrors={"cifar10": []})
    with pytest.raises(ValueError, match="Extra inputs"):
        DataSettings(rooot="x")  # type: ignore[call-arg]


@pytest.mark.usefixtures("nowhere")
def test_available(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = DataSettings()
    assert available("digits", settings) is None
    assert available("cifar100", settings) is None
    assert available("imagenet1k", settings) == "ImageNet-1k not present"
    with pytest.raises(DataError, match=r"Set HADAPTIVE_DATA to a folder that holds imagenet1k/"):
        settings.image_folder("imagenet1k")
    for split in ("train", "val"):
        (tmp_path / "imagenet1k" / split).mkdir(parents=True)
    assert available("imagenet1k", DataSettings(root=tmp_path)) is None
    assert available("tiny_imagenet", DataSettings(folders={"tiny_imagenet": tmp_path / "imagenet1k"})) is None
    monkeypatch.setenv("HADAPTIVE_DATA", str(tmp_path))
    assert available("imagenet1k", settings) is None
    monkeypatch.setenv("HADAPTIVE_DATA", str(tmp_path / "typo"))
    assert "typo named by the environment is not a folder" in str(available("cifar100", settings))
    with pytest.raises(ValueError, match="unknown data set"):
        available("imagenet", settings)


def test_settings_and_prepare_import_no_torch() -> None:
    code = "import sys; from hadaptive.data import DataSettings, available, prepare; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
