"""COCO 2017 (Lin et al., 2014) for detection, from the official archives. Imports no torch.

COCO publishes no checksums; the md5 sums are those that the downloaders of PaddleDetection, LVIS and others check, all
the same. A folder of the user's own is taken as it is: the manifest says how much of COCO it holds.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from hadaptive.data import archive, scenes
from hadaptive.data.prepared import MANIFEST
from hadaptive.data.settings import ENVIRONMENT_VARIABLE, DataSettings
from hadaptive.records import read_json, write_json

ADDRESS = "http://images.cocodataset.org"
ARCHIVES = {  # md5; 241 MB, 778 MB, 18 GB
    "annotations/annotations_trainval2017.zip": "f4bbac642086de4f52a3fdda2de5fa2c",
    "zips/val2017.zip": "442b8da7639aecaf257c1dceb8ba8c80",
    "zips/train2017.zip": "cced6f7f71b7629ddf16f17bbcfab6b2",
}
IMAGES = {"train": 118_287, "test": 5_000}


def prepare(name: str, destination: Path, settings: DataSettings) -> dict[str, Any]:
    """Check COCO in the data root, or else download and unpack it (19 GB); returns the manifest. Raises DataError."""
    root = settings.local_root()
    own = root / "coco" if root is not None else None
    folder = own if own is not None and own.is_dir() else fetch(settings)
    manifest = scenes.write(name, folder, destination, "COCO 2017")
    part = {
        split: f"{count} of {IMAGES[split]}" for split, count in manifest["counts"].items() if count < IMAGES[split]
    }
    if part:
        parts = " and ".join(f"{text} {split} images" for split, text in part.items())
        manifest["source"] += f", a part: {parts}"
        write_json(destination / MANIFEST, manifest)
    return manifest


def fetch(settings: DataSettings, archives: dict[str, str] | None = None) -> Path:
    """Download and verify the archives, unpack each once into `settings.downloads`/coco; that folder.

    Mirrors in `data.mirrors.coco` are addresses below which the archives lie as below the official one.
    """
    folder = settings.downloads / "coco"
    done_file = folder / "unpacked.json"
    done: dict[str, str] = read_json(done_file) if done_file.exists() else {}
    for path, md5 in (archives or ARCHIVES).items():
        if done.get(path) == md5:
            continue
        target = settings.downloads / Path(path).name
        folders = "coco/{train2017,val2017,annotations}"
        otherwise = f"Set {ENVIRONMENT_VARIABLE} to a folder that holds {folders}, or put {target.name} at {target}"
        urls = [f"{base.rstrip('/')}/{path}" for base in (*settings.mirrors.get("coco", []), ADDRESS)]
        archive.obtain("COCO", urls, md5, target, settings.timeout_s, otherwise)
        archive.verify_archive(target, md5, "put the official one in its place, or delete it to have it downloaded")
        with zipfile.ZipFile(target) as packed:  # extractall keeps every member below the folder
            packed.extractall(folder)
        done[path] = md5
        write_json(done_file, done)
        target.unlink()  # 19 GB are not kept twice
    return folder
