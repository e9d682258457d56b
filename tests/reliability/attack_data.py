"""Faults in data: prepared data that were changed or damaged, sources that are broken. Each must be named, or harmless.

Every attack on prepared data starts from an intact set, changes it, and opens it as a training does.
"""

from __future__ import annotations

import gzip
import http.server
import json
import os
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from hadaptive.data import DataSettings, archive, cifar100, open_batches, prepare
from hadaptive.data.detection import open_detection
from hadaptive.data.prepared import Arrays, write_arrays
from hadaptive.data.token_batches import open_tokens
from hadaptive.records import sha256
from tests.reliability.attack import Attack

REMEDY = r"`hadaptive data \w+` makes the data again"
CPU = torch.device("cpu")


def images(folder: Path) -> None:
    for split in ("train", "test"):
        batches = open_batches(folder, split, image_size=8, batch_size=8, train=split == "train")  # type: ignore[arg-type]
        next(batches.epoch(0))


def texts(folder: Path) -> None:
    for split in ("train", "test"):
        batches = open_tokens(folder, split, word_pieces=16, batch_size=8, train=split == "train")  # type: ignore[arg-type]
        next(batches.epoch(0))


def boxes(folder: Path) -> None:
    for split in ("train", "test"):
        batches = open_detection(folder, split, image_size=64, batch_size=8, device=CPU, train=split == "train")  # type: ignore[arg-type]
        next(batches.epoch(0))


def array(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Replace an array by what `change` makes of it."""

    def do(folder: Path) -> None:
        path = folder / f"{name}.npy"
        np.save(path, change(np.load(path)), allow_pickle=True)

    return do


def raw(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes())) and None


def manifest(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        values = json.loads((folder / "manifest.json").read_text())
        change(values)
        (folder / "manifest.json").write_text(json.dumps(values))

    return do


def with_its_sum(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Change an array and its entry in the manifest: a forger who knows the format."""

    def do(folder: Path) -> None:
        array(name, change)(folder)
        path = folder / f"{name}.npy"
        entry = {"sha256": sha256(path), "bytes": path.stat().st_size}
        manifest(lambda values: values["files"].__setitem__(path.name, entry))(folder)

    return do


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def into_folder(name: str) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return do


def put(name: str, value: Any) -> Callable[[Path], None]:
    return manifest(lambda values: values.__setitem__(name, value))


def shifted(labels: Any) -> Any:
    return (labels + 1) % (labels.max() + 1)


def linked_to_itself(folder: Path) -> None:
    (folder / "train_labels.npy").unlink()
    (folder / "train_labels.npy").symlink_to("train_labels.npy")


def of_class_three(label: int) -> Callable[[Any], Any]:
    return lambda labels: np.where(labels == 3, label, labels)


CHANGED = r"was changed since it was prepared"
# The set, what is done to it, what must be said.
PREPARED: list[tuple[str, str, Callable[[Path], Any], str]] = [
    ("labels shifted by one", "digits", array("train_labels", shifted), rf"train_labels\.npy {CHANGED}.*{REMEDY}"),
    ("test labels shifted", "digits", array("test_labels", shifted), rf"test_labels\.npy {CHANGED}"),
    ("a label of no class", "digits", array("train_labels", of_class_three(200)), CHANGED),
    ("images in another order", "digits", array("train_images", lambda x: x[::-1]), CHANGED),
    ("images inverted", "digits", array("train_images", lambda x: 255 - x), CHANGED),
    (
        "test images are training images",
        "digits",
        lambda f: shutil.copy(f / "train_images.npy", f / "test_images.npy"),
        "bytes, expected",
    ),
    ("one bit", "digits", raw("train_images.npy", flipped), CHANGED),
    ("cut short", "digits", raw("train_images.npy", lambda b: b[:-1]), "bytes, expected"),
    ("emptied", "digits", raw("train_labels.npy", lambda b: b""), "0 bytes, expected"),
    ("longer", "digits", raw("train_labels.npy", lambda b: b + b"x"), "bytes, expected"),
    ("missing", "digits", lambda f: (f / "test_labels.npy").unlink(), r"test_labels\.npy is missing"),
    ("a folder", "digits", into_folder("train_labels.npy"), r"train_labels\.npy (has|cannot be read)"),
    ("a link to itself", "digits", linked_to_itself, "cannot be read"),
    ("a pickle", "digits", array("train_labels", lambda x: np.array([{}], object)), "bytes, expected"),
    (
        "a pickle and its sum",
        "digits",
        with_its_sum("train_labels", lambda x: np.array([{}] * len(x), object)),
        "holds no array",
    ),
    (
        "a label of no class and its sum",
        "digits",
        with_its_sum("train_labels", of_class_three(200)),
        "has label 200 of 10 classes",
    ),
    (
        "a negative label and its sum",
        "digits",
        with_its_sum("test_labels", of_class_three(-1)),
        "has label -1 of 10 classes",
    ),
    (
        "labels of another type and their sum",
        "digits",
        with_its_sum("train_labels", lambda x: x.astype(np.float32)),
        "labels are float32",
    ),
    ("fewer labels and their sum", "digits", with_its_sum("train_labels", lambda x: x[:-1]), "labels are int64"),
    (
        "images of another type and their sum",
        "digits",
        with_its_sum("train_images", lambda x: x.astype(np.float32)),
        "images are float32",
    ),
    (
        "images of another shape and their sum",
        "digits",
        with_its_sum("train_images", lambda x: x.reshape(len(x), -1)),
        "images are uint8",
    ),
    ("no images and their sum", "digits", with_its_sum("train_images", lambda x: x[:0]), "images are uint8"),
    ("no manifest", "digits", lambda f: (f / "manifest.json").unlink(), "holds no prepared data set"),
    ("manifest cut short", "digits", raw("manifest.json", lambda b: b[:-9]), "unreadable"),
    ("manifest of bytes", "digits", raw("manifest.json", lambda b: b"\xff\xfe\x00"), "unreadable"),
    ("manifest nested deep", "digits", raw("manifest.json", lambda b: b"[" * 100_000), "unreadable"),
    ("manifest is a list", "digits", raw("manifest.json", lambda b: b"[]"), "another schema"),
    ("manifest of another schema", "digits", put("schema", 99), "another schema"),
    ("manifest without files", "digits", manifest(lambda v: v.pop("files")), "damaged .*files"),
    (
        "manifest without one file",
        "digits",
        manifest(lambda v: v["files"].pop("train_labels.npy")),
        r"does not list train_labels\.npy",
    ),
    (
        "manifest without sums",
        "digits",
        manifest(lambda v: v["files"]["train_labels.npy"].pop("sha256")),
        "damaged .*sha256",
    ),
    ("manifest without classes", "digits", put("classes", []), "damaged .*classes"),
    ("manifest with fewer classes", "digits", put("classes", ["a"]), "num_classes is not the number of classes"),
    ("manifest with another number of classes", "digits", put("num_classes", "ten"), "damaged .*num_classes"),
    ("manifest without a mean", "digits", put("mean", None), "mean is missing"),
    ("manifest with an infinite mean", "digits", put("mean", [float("inf")] * 3), r"damaged .*mean"),
    ("manifest with no deviation", "digits", put("std", [0.0] * 3), r"damaged .*std"),
    ("manifest of another kind", "digits", put("kind", "text"), "sentences is missing|damaged"),
    ("manifest of an unknown kind", "digits", put("kind", "video"), "damaged .*kind"),
    ("word pieces changed", "sentiment", array("train_pieces", lambda x: x[::-1]), CHANGED),
    ("sentence labels swapped", "sentiment", array("train_labels", lambda x: 1 - x), CHANGED),
    (
        "a sentence label of no class and its sum",
        "sentiment",
        with_its_sum("train_labels", lambda x: x + 1),
        "of 2 classes",
    ),
    (
        "a word piece too high and its sum",
        "sentiment",
        with_its_sum("test_pieces", lambda x: x + np.uint16(60_000)),
        "has word piece",
    ),
    (
        "ends that run back and their sum",
        "sentiment",
        with_its_sum("train_ends", lambda x: x[::-1].copy()),
        "do not agree",
    ),
    ("ends that are too few and their sum", "sentiment", with_its_sum("train_ends", lambda x: x[:-1]), "do not agree"),
    ("no vocabulary", "sentiment", manifest(lambda v: v.pop("vocabulary")), "vocabulary is missing"),
    ("three sentences", "sentiment", put("sentences", 3), "damaged .*sentences"),
    ("boxes cut short", "shapes", raw("train.npz", lambda b: b[:-9]), "bytes, expected"),
    ("boxes: one bit", "shapes", raw("test.npz", flipped), CHANGED),
    ("boxes missing", "shapes", lambda f: (f / "train.npz").unlink(), r"train\.npz is missing"),
    ("boxes without classes", "shapes", put("classes", ["a"]), "num_classes is not the number of classes"),
]
OPEN = {"digits": images, "sentiment": texts, "shapes": boxes}


KEPT = tempfile.TemporaryDirectory(prefix="hadaptive-attack-")  # removed as Python ends


@cache
def intact(dataset: str) -> Path:
    """A prepared set that nobody changes: each attack takes a copy."""
    folder = Path(KEPT.name, dataset)
    prepare(dataset, folder, DataSettings())
    return folder


def on_prepared(dataset: str, change: Callable[[Path], Any]) -> Callable[[Path], None]:
    def strike(folder: Path) -> None:
        data = folder / dataset
        shutil.copytree(intact(dataset), data)
        change(data)
        OPEN[dataset](data)

    return strike


def of_another_kind(dataset: str, opened: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda folder: opened(intact(dataset))


def class_folders(change: Callable[[Path], Any]) -> Callable[[Path], None]:
    """An image folder of two classes, changed, prepared and opened."""

    def strike(folder: Path) -> None:
        root = folder / "images"
        for split in ("train", "val"):
            for name in ("cat", "dog"):
                (root / split / name).mkdir(parents=True)
                for number in range(4):
                    Image.new("RGB", (8, 8), (number, 0, 0)).save(root / split / name / f"{number}.png")
        change(root)
        out = folder / "tiny_imagenet"
        prepare("tiny_imagenet", out, DataSettings(folders={"tiny_imagenet": root}))
        batches = open_batches(out, "train", image_size=8, batch_size=8, train=True)
        next(batches.epoch(0))

    return strike


def odd_name(root: Path) -> None:
    for split in ("train", "val"):
        shutil.copytree(root / split / "cat", os.fsdecode(os.fsencode(root / split) + b"/\xff\xfe"))


FOLDERS: list[tuple[str, Callable[[Path], Any], str]] = [
    (
        "a link to the folder above",
        lambda r: (r / "train/cat/again").symlink_to(".."),
        "is a link to a folder that it lies in",
    ),
    ("a link to itself", lambda r: (r / "train/cat/again").symlink_to("."), "is a link to a folder that it lies in"),
    ("a class name that is not UTF-8", odd_name, "is not UTF-8; rename it"),
    (
        "an image name that is not UTF-8",
        lambda r: os.rename(r / "train/cat/0.png", os.fsencode(r / "train/cat") + b"/\xff.png"),
        "is not UTF-8; rename it",
    ),
    ("an image cut short", lambda r: (r / "train/cat/0.png").write_bytes(b"\x89PNG"), "cannot read image"),
    ("an empty class", lambda r: [p.unlink() for p in (r / "train/cat").iterdir()], "is empty"),
    ("another class to test", lambda r: (r / "val/cat").rename(r / "val/cow"), "classes of .* differ"),
    ("no classes", lambda r: [shutil.rmtree(p) for p in (r / "train").iterdir()], "holds no class folders"),
]


def archive_of(make: Callable[[Path], Any]) -> Callable[[Path], None]:
    """CIFAR-100 from an archive whose checksum is right, whatever it holds: a mirror that lies about both."""

    def strike(folder: Path) -> None:
        path = folder / cifar100.ARCHIVE
        make(path)
        cifar100.load(DataSettings(root=folder), archive_md5=archive.md5_of(path))

    return strike


def tar_of(members: dict[str, bytes], path: Path) -> None:
    inner = path.parent / cifar100.FOLDER
    inner.mkdir()
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            (inner / name).write_bytes(content)
            tar.add(inner / name, f"{cifar100.FOLDER}/{name}")
    shutil.rmtree(inner)


ARCHIVES: list[tuple[str, Callable[[Path], Any], str]] = [
    ("no archive", lambda p: p.write_bytes(b"<html>not found</html>"), "no readable archive"),
    ("gzip of no tar", lambda p: p.write_bytes(gzip.compress(b"x" * 5000)), "no readable archive"),
    (
        "gzip cut short",
        lambda p: (tar_of({"train.bin": bytes(200_000)}, p), p.write_bytes(p.read_bytes()[:-40])),
        "no readable archive|lacks a readable",
    ),
    (
        "gzip of one changed byte",
        lambda p: (
            tar_of({"train.bin": os.urandom(9000)}, p),
            p.write_bytes(p.read_bytes()[:3000] + b"\0\0\0\0" + p.read_bytes()[3004:]),
        ),
        r"no readable archive|is truncated|is altered",
    ),
    ("empty", lambda p: p.write_bytes(b""), "no readable archive"),
    ("without the training set", lambda p: tar_of({"test.bin": b""}, p), r"lacks a readable train\.bin"),
    ("members too short", lambda p: tar_of({"train.bin": b"x", "test.bin": b"x"}, p), r"train\.bin in .* is truncated"),
]


def names_that_are_not_utf8(folder: Path) -> None:
    inner = folder / cifar100.FOLDER
    inner.mkdir()
    record = bytes(cifar100.RECORD)
    for name in ("train.bin", "test.bin"):
        (inner / name).write_bytes(record)
    (inner / cifar100.NAMES).write_bytes(b"apple\n\xff\n")
    sums = {name: archive.md5_of(inner / name) for name in ("train.bin", "test.bin")}
    cifar100.load(DataSettings(root=folder), member_md5=sums, examples=dict.fromkeys(sums, 1))


def served(headers: dict[str, str], body: bytes = b"x" * 10) -> Callable[[Path], None]:
    """A download from a server that answers so."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: Any) -> None:
            pass

    def strike(folder: Path) -> None:
        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            address = f"http://127.0.0.1:{server.server_address[1]}/a.zip"
            archive.download([address], "0" * 32, folder / "a.zip", timeout_s=5)
        finally:
            server.shutdown()
            server.server_close()

    return strike


def labels_written(labels: list[int]) -> Callable[[Path], None]:
    def strike(folder: Path) -> None:
        pixels, given = np.zeros((len(labels), 3, 4, 4), np.uint8), np.array(labels)
        write_arrays("made", folder, Arrays(pixels, given, pixels, given, ["a", "b"], "made up"))

    return strike


ATTACKS = [
    *(Attack(f"{dataset}: {name}", on_prepared(dataset, change), said) for name, dataset, change, said in PREPARED),
    *(Attack(f"image folder: {name}", class_folders(change), said) for name, change, said in FOLDERS),
    *(Attack(f"archive: {name}", archive_of(make), said) for name, make, said in ARCHIVES),
    Attack("sentences for an image task", of_another_kind("sentiment", images), "holds sentiment, which is no set of"),
    Attack("images for a text task", of_another_kind("digits", texts), "holds digits, which is no set of sentences"),
    Attack("images without boxes for detection", of_another_kind("digits", boxes), "describes images without boxes"),
    Attack("boxes for an image task", of_another_kind("shapes", images), "holds shapes, which is no set of images"),
    Attack("class names that are not UTF-8", names_that_are_not_utf8, r"fine_label_names\.txt .* is not UTF-8"),
    Attack("a length that is no number", served({"Content-Length": "abc"}), "a.zip "),
    Attack("a negative length", served({"Content-Length": "-5"}), "a.zip "),
    Attack("a length too short", served({"Content-Length": "3"}), "a.zip "),
    Attack("a length too long", served({"Content-Length": "99"}), "a.zip "),
    Attack("a label too high to prepare", labels_written([0, 1, 2]), "example 2 has label 2 of 2 classes"),
    Attack("a label below zero to prepare", labels_written([0, -1]), "example 1 has label -1 of 2 classes"),
]
