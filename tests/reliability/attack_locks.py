"""What another user, or an accident, can put where our locks and temporary files lie."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from hadaptive import devices
from hadaptive.train import work
from tests.reliability.attack import Attack

KEPT = "years of work"


def claimed(plant: Callable[[Path], Any], machine: str = "0") -> Callable[[Path], None]:
    """Claim a GPU where `plant` was in the folder of locks first; what a link leads to must stay as it was."""

    def strike(folder: Path) -> None:
        (folder / "thesis").write_text(KEPT)
        locks = folder / f"hadaptive-gpu-{os.getuid()}"
        plant(locks)
        devices.gpus.cache_clear()
        try:
            with (
                mock.patch.dict(os.environ, {"HADAPTIVE_GPUS": machine}),
                mock.patch.object(tempfile, "tempdir", str(folder)),
            ):
                os.environ.pop("CUDA_VISIBLE_DEVICES", None)
                with devices.claimed():
                    assert locks.stat().st_mode & 0o077 == 0, "open to others"
        finally:
            devices.gpus.cache_clear()
            assert (folder / "thesis").read_text() == KEPT, "a lock destroyed a file"

    return strike


def within(make: Callable[[Path], Any], mode: int = 0o700) -> Callable[[Path], None]:
    def plant(locks: Path) -> None:
        locks.mkdir()
        locks.chmod(mode)
        make(locks / "0.lock")

    return plant


def worked_on(plant: Callable[[Path], Any]) -> Callable[[Path], None]:
    """Take a work folder where `plant` was first."""

    def strike(folder: Path) -> None:
        (folder / "thesis").write_text(KEPT)
        (folder / "work/key").mkdir(parents=True)
        plant(folder / "work/key")
        try:
            with work.hold(folder / "work", "key"):
                left = [path.name for path in (folder / "work/key").iterdir() if path.name != "lock"]
                assert left == [], f"leftovers: {left}"
        finally:
            assert (folder / "thesis").read_text() == KEPT, "a lock destroyed a file"

    return strike


NO_LOCK, NO_FOLDER = r"lock is a link or no file, .* remove it", "is not a folder of yours"
ATTACKS = [
    Attack("GPU lock: a link to a file", claimed(within(lambda lock: lock.symlink_to("../thesis"))), NO_LOCK),
    Attack("GPU lock: a link to nothing", claimed(within(lambda lock: lock.symlink_to("nowhere"))), NO_LOCK),
    Attack("GPU lock: a link to itself", claimed(within(lambda lock: lock.symlink_to("0.lock"))), NO_LOCK),
    Attack("GPU lock: a folder", claimed(within(lambda lock: lock.mkdir())), NO_LOCK),
    Attack("GPU lock: a pipe", claimed(within(os.mkfifo)), NO_LOCK),
    Attack("GPU locks: a link to a folder", claimed(lambda locks: locks.symlink_to("/tmp")), NO_FOLDER),
    Attack("GPU locks: a link to nothing", claimed(lambda locks: locks.symlink_to("nowhere")), NO_FOLDER),
    Attack("GPU locks: a file", claimed(lambda locks: locks.write_text("")), NO_FOLDER),
    Attack("GPU locks: open to all", claimed(within(lambda lock: lock.write_text("x"), 0o777)), None),
    Attack("work lock: a link to a file", worked_on(lambda at: (at / "lock").symlink_to("../../thesis")), NO_LOCK),
    Attack("work lock: a folder", worked_on(lambda at: (at / "lock").mkdir()), NO_LOCK),
    Attack("work lock: a pipe", worked_on(lambda at: os.mkfifo(at / "lock")), NO_LOCK),
    Attack("a killed writer's state", worked_on(lambda at: (at / ".state.pt.abcd1234").write_bytes(b"x")), None),
    Attack("a killed writer's weights", worked_on(lambda at: (at / ".last.pt.abcd1234").write_bytes(b"x")), None),
]
