from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hadaptive.data import DataError, DataSettings, prepare
from hadaptive.data.cifar100 import RECORD, load, parse_records
from hadaptive.data.prepared import read_manifest

EXAMPLES = {"train.bin": 200, "test.bin": 100}


def records(count: int, seed: int) -> bytes:
    rows = np.random.default_rng(seed).integers(256, size=(count, RECORD), dtype=np.uint8)
    rows[:, 1] = np.arange(count) % 100
    rows[:, 0] = rows[:, 1] // 5
    return rows.tobytes()


FILES = {
    "train.bin": records(200, 0),
    "test.bin": records(100, 1),
    "fine_label_names.txt": "".join(f"class_{index}\n" for index in range(100)).encode(),
}
MD5 = {name: hashlib.md5(FILES[name]).hexdigest() for name in EXAMPLES}


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"cifar-100-binary/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def small(settings: DataSettings, **options: Any) -> Any:
    return load(settings, **{"member_md5": MD5, "examples": EXAMPLES, **options})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "local" / "cifar-100-binary"
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder.parent


def test_records_are_coarse_fine_then_planes() -> None:
    raw = bytes([7, 42]) + bytes([1] * 1024 + [2] * 1024 + [3] * 1024)
    images, labels = parse_records(raw, "here")
    assert images.shape == (1, 3, 32, 32)
    assert [int(plane.min()) for plane in images[0]] == [int(plane.max()) for plane in images[0]] == [1, 2, 3]
    assert labels.tolist() == [42]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "cut short or no CIFAR-100: 0 bytes"),
        (bytes(RECORD + 1), f"cut short or no CIFAR-100: {RECORD + 1} bytes"),
        (bytes([0, 100]) + bytes(3072), "record 0 has fine label 100, not below 100"),
        (bytes(RECORD) + bytes([20, 0]) + bytes(3072), "record 1 has coarse label 20, not below 20"),
    ],
)
def test_wrong_records(raw: bytes, message: str) -> None:
    with pytest.raises(DataError, match=f"here is .*{message}"):
        parse_records(raw, "here")


def test_from_a_folder(root: Path) -> None:
    arrays = small(DataSettings(root=root))
    rows = np.frombuffer(FILES["train.bin"], np.uint8).reshape(200, RECORD)
    assert arrays.train_images.tobytes() == rows[:, 2:].tobytes()
    assert arrays.test_labels.tolist() == list(range(100))
    assert arrays.classes[42] == "class_42"
    (root / "cifar-100-binary" / "fine_label_names.txt").unlink()
    assert small(DataSettings(root=root)).classes[42] == "42"


@pytest.mark.usefixtures("nowhere")
def test_from_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HADAPTIVE_DATA", str(root))
    assert len(small(DataSettings()).train_labels) == 200


def test_truncated_altered_and_missing_files_differ(root: Path) -> None:
    file = root / "cifar-100-binary" / "test.bin"
    file.write_bytes(FILES["test.bin"][:-1])
    size = 100 * RECORD
    with pytest.raises(DataError, match=rf"test\.bin in .*local.* is truncated: {size - 1} bytes, expected {size}; "):
        small(DataSettings(root=root))
    file.write_bytes(FILES["test.bin"][:-1] + bytes([FILES["test.bin"][-1] ^ 1]))
    with pytest.raises(DataError, match=rf"test\.bin in .* is altered: md5 \w+, expected {MD5['test.bin']}; replace"):
        small(DataSettings(root=root))
    file.unlink()
    with pytest.raises(DataError, match=r"lacks a readable test\.bin \(No such file or directory\); replace"):
        small(DataSettings(root=root))


def test_the_official_checksums_are_the_default(root: Path) -> None:
    with pytest.raises(DataError, match="truncated: 614800 bytes, expected 153700000"):
        load(DataSettings(root=root))


@pytest.mark.usefixtures("nowhere")
def test_from_an_archive(server: Any, tmp_path: Path) -> None:
    server.content = packed(FILES)
    md5 = hashlib.md5(server.content).hexdigest()
    settings = DataSettings(downloads=tmp_path / "downloads")
    arrays = small(settings, urls=(server.url,), archive_md5=md5)
    assert arrays.train_labels.tolist() == list(range(100)) * 2
    small(settings, urls=(), archive_md5=md5)  # kept: not downloaded again
    assert len(server.seen) == 1
    local = DataSettings(root=tmp_path / "downloads", downloads=tmp_path / "unused")
    assert small(local, urls=(), archive_md5=md5).classes == arrays.classes
    mirrored = DataSettings(downloads=tmp_path / "other", mirrors={"cifar100": [server.url]})
    small(mirrored, urls=(), archive_md5=md5)
    with pytest.raises(DataError, match=r"cifar-100-binary\.tar\.gz is another or altered archive: .*put the offic"):
        small(settings, urls=(), archive_md5="0" * 32)
    server.content = packed({"train.bin": FILES["train.bin"]})
    settings = DataSettings(downloads=tmp_path / "incomplete")
    with pytest.raises(DataError, match=r"lacks a readable test\.bin \(no such file\)"):
        small(settings, urls=(server.url,), archive_md5=hashlib.md5(server.content).hexdigest())


@pytest.mark.usefixtures("nowhere")
def test_neither_local_nor_network(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9/cifar-100-binary.tar.gz"
    with pytest.raises(DataError) as error:
        small(DataSettings(downloads=tmp_path), urls=(url,))
    message = str(error.value)
    assert f"{url} cannot be reached (no network?)" in message
    assert "Set HADAPTIVE_DATA to a folder holding cifar-100-binary/ or cifar-100-binary.tar.gz" in message
    assert f"put cifar-100-binary.tar.gz at {tmp_path / 'cifar-100-binary.tar.gz'}" in message
    assert "\n" not in message


def test_the_real_one(real_data: Path, tmp_path: Path) -> None:
    if not (real_data / "cifar-100-binary").is_dir():
        pytest.skip("HADAPTIVE_DATA holds no cifar-100-binary/")
    prepare("cifar100", tmp_path, DataSettings(root=real_data))
    manifest = read_manifest(tmp_path)
    assert manifest["counts"] == {"train": 50_000, "test": 10_000}
    assert [round(value, 4) for value in manifest["std"]] == [0.2673, 0.2564, 0.2762]
    assert manifest["classes"][:3] == ["apple", "aquarium_fish", "baby"]
    assert np.bincount(np.load(tmp_path / "train_labels.npy")).tolist() == [500] * 100
