"""Decode an image folder once, to shards: in parallel, resumable, its size and time known beforehand. No torch.

A recipe resizes every image to a square before anything random happens, so these pixels are the same at every epoch.
They are those that a training without shards decodes, so a Run's identity does not depend on whether there are shards.
"""

from __future__ import annotations

import fcntl
import hashlib
import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hadaptive.data.decode import decode
from hadaptive.data.errors import DataError
from hadaptive.data.image_folder import FOLDERS, scan
from hadaptive.data.prepared import MANIFEST, SCHEMA, location, read_manifest, remedy, shards_of
from hadaptive.data.stamps import Stamps
from hadaptive.devices import open_lock
from hadaptive.records import atomic, write_json
from hadaptive.units import duration, size

SHARD = 256 << 20  # bytes; what a killed preparation loses of each process's work
SAMPLES = 16  # images decoded for the estimate of time


@dataclass(frozen=True)
class Shard:
    """Images that become one file."""

    name: str
    images: tuple[Path, ...]
    image_size: int

    @property
    def bytes(self) -> int:
        return len(self.images) * 3 * self.image_size**2


@dataclass(frozen=True)
class Plan:
    """What is to be made of a prepared image folder, and what of it is there."""

    folder: Path
    source: dict[str, Any]  # the manifest of the image folder
    labels: dict[str, list[int]]
    shards: list[Shard]
    missing: list[Shard]

    def seconds(self, processes: int) -> float:
        """Estimate the time from a few of the images that are to be decoded."""
        images = [image for shard in self.missing for image in shard.images]
        if not images:
            return 0.0
        chosen = images[:: max(1, len(images) // SAMPLES)][:SAMPLES]
        started = time.perf_counter()
        for image in chosen:
            decode(image, self.missing[0].image_size)
        return (time.perf_counter() - started) / len(chosen) * len(images) / processes

    def text(self, processes: int) -> str:
        """Return size and time in one line."""
        count = sum(len(shard.images) for shard in self.missing)
        whole, left = (sum(shard.bytes for shard in shards) for shards in (self.shards, self.missing))
        total = f"{self.folder}: {size(whole)} in {len(self.shards)} shards, {size(whole - left)} there"
        if not count:
            return total
        seconds = duration(self.seconds(processes))
        return f"{total}; decoding {count} images takes about {seconds} in {processes} processes"

    def check_room(self) -> None:
        """Raise DataError where the disk is too small."""
        left = sum(shard.bytes for shard in self.missing)
        free = shutil.disk_usage(next(path for path in (self.folder, *self.folder.parents) if path.exists())).free
        if left > free:
            raise DataError(
                f"{self.folder} needs {size(left)} more and its disk has {size(free)}; free some space, make the "
                f"folder a link to a larger disk, or set data.shards: false in params.yaml to decode at every epoch"
            )


def plan_of(prepared: Path, image_size: int) -> Plan:
    """Return what shards the image folder that `prepare` described takes. DataError where it holds none."""
    source = read_manifest(prepared)
    if source["kind"] != "folder":
        raise DataError(f"{prepared} is no image folder, so there is nothing to decode; leave --image-size out")
    folder, labels, shards = shards_of(prepared, image_size), {}, []
    most = max(1, SHARD // (3 * image_size**2))
    for split, below in FOLDERS.items():
        root = location(prepared) / below
        images = scan(root)[1]
        if len(images) != source["counts"][split]:
            raise DataError(f"{root} has changed since it was prepared; {remedy(prepared)}")
        labels[split] = [label for _, label in images]
        for number, start in enumerate(range(0, len(images), most)):
            paths = tuple(root / path for path, _ in images[start : start + most])
            shards.append(Shard(f"{split}_images_{number:05}.npy", paths, image_size))
    return Plan(folder, source, labels, shards, _missing(folder, source, shards))


def _missing(folder: Path, source: dict[str, Any], shards: list[Shard]) -> list[Shard]:
    """Return the shards that are not there, whole, of these images."""
    stamps = Stamps(folder)
    made = {name: entry["sha256"] for name, entry in stamps.known.items()} if stamps.of == _of(source) else {}
    return [shard for shard in shards if shard.name not in made or stamps.sha256(shard.name) != made[shard.name]]


def make(plan: Plan, processes: int) -> dict[str, Any]:
    """Decode what is missing, then write the manifest, which is returned.

    Each finished shard is recorded, so that a killed preparation goes on with the next. Raises DataError for a disk
    that is too small, before anything is written, and for an image that cannot be read.
    """
    folder, source = plan.folder, plan.source
    plan.check_room()
    with _held(folder):
        stamps = Stamps(folder)
        if stamps.of != _of(source):
            stamps.of, stamps.known = _of(source), {}
        (folder / MANIFEST).unlink(missing_ok=True)  # a manifest promises that what it lists is there
        for shard in _decoded(folder, _missing(folder, source, plan.shards), processes):
            _finished(stamps, shard.name)
        for split, labels in plan.labels.items():
            _save(folder / f"{split}_labels.npy", np.array(labels, np.int64))
            _finished(stamps, f"{split}_labels.npy")
        names = sorted([*(shard.name for shard in plan.shards), *(f"{split}_labels.npy" for split in plan.labels)])
        for stale in {path.name for path in folder.glob("*.npy")} - set(names):
            (folder / stale).unlink()
        sums = {name: str(stamps.sha256(name)) for name in names}
        side = plan.shards[0].image_size
        manifest = {
            **{name: source[name] for name in ("dataset", "classes", "num_classes", "counts", "mean", "std")},
            "schema": SCHEMA,
            "kind": "shards",
            "source": f"{source['source']}, decoded by {_decoder()} and resized to {side} px, bilinear",
            "of": source["sha256"],
            "image_shape": [3, side, side],
            "files": {name: {"sha256": sums[name], "bytes": (folder / name).stat().st_size} for name in names},
            "sha256": hashlib.sha256("".join(sums[name] for name in names).encode()).hexdigest(),
        }
        write_json(folder / MANIFEST, manifest)
    return manifest


def _finished(stamps: Stamps, name: str) -> None:
    stamps.known.pop(name, None)
    stamps.sha256(name)
    stamps.save()


def _decoded(folder: Path, shards: list[Shard], processes: int) -> Iterator[Shard]:
    """Decode the shards and yield each as it is finished."""
    from tqdm import tqdm

    images, processes = sum(len(shard.images) for shard in shards), min(processes, len(shards))
    with tqdm(total=images, unit="image", unit_scale=True, desc=folder.name, disable=None) as bar:
        if processes <= 1:
            for shard in shards:
                yield write(folder, shard)
                bar.update(len(shard.images))
            return
        # spawn: the caller may have threads, with which a fork can lock up
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context, initializer=_end_with_parent) as pool:
            try:
                for future in as_completed([pool.submit(write, folder, shard) for shard in shards]):
                    yield (shard := future.result())
                    bar.update(len(shard.images))
            finally:
                pool.shutdown(cancel_futures=True)


def write(folder: Path, shard: Shard) -> Shard:
    """Decode a shard's images into its file. Raises DataError for an image that cannot be read."""
    images = np.empty((len(shard.images), 3, shard.image_size, shard.image_size), np.uint8)
    for image, path in zip(images, shard.images, strict=True):
        image[...] = decode(path, shard.image_size)
    _save(folder / shard.name, images)
    return shard


def _save(path: Path, array: np.ndarray[Any, Any]) -> None:
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        os.fsync(file.fileno())  # or a power failure could leave a file of the right size without its content


def _end_with_parent() -> None:
    """End this process with the one that started it, which may be killed: the pool does not see to that.

    Ctrl-C reaches every process of a terminal; the first answers it, and this one finishes its shard.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_outlive, daemon=True).start()


def _outlive() -> None:
    """Wait for the end of the process that started this one, then end."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _of(source: dict[str, Any]) -> str:
    """What finished shards are of: these images, in pixels of this decoder."""
    return f"{source['sha256']} {_decoder()}"


def _decoder() -> str:
    from PIL import __version__, features

    return f"Pillow {__version__} (libjpeg-turbo {features.version('libjpeg_turbo')})"


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the folder for this process: a second one waits, and then finds the shards made."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = open_lock(folder / "lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
