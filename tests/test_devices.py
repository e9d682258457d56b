"""GPUs are lent by locks: each to one process, or to as many as its places; several at once or none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hadaptive import devices
from hadaptive.cli import _parser
from hadaptive.errors import UserError

Machine = Callable[[str], None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Machine]:
    """Pretend that the machine has these GPUs."""

    def has(indices: str) -> None:
        monkeypatch.setenv("HADAPTIVE_GPUS", indices)
        devices.gpus.cache_clear()

    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # so that what is set is put back
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    yield has
    devices.gpus.cache_clear()


def visible() -> str:
    """What was claimed last; forgotten, as another process would not know it."""
    found = os.environ["CUDA_VISIBLE_DEVICES"]
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    return found


class Waiting(Exception):
    """Instead of sleeping."""


def waits(count: int) -> bool:
    """Whether another claim would have to wait."""
    with pytest.MonkeyPatch.context() as patch:

        def no_sleep(seconds: float) -> None:
            raise Waiting

        patch.setattr(devices.time, "sleep", no_sleep)
        try:
            with devices.claimed(count):
                visible()
                return False
        except Waiting:
            return True


def test_one_gpu_for_one_process_at_a_time(machine: Machine) -> None:
    machine("0,1")
    with devices.claimed() as first:
        assert first == "cuda" and visible() == "0"
        with devices.claimed():
            assert visible() == "1"
        with devices.claimed():
            assert visible() == "1", "given back and lent again"


def test_places_on_one_gpu(machine: Machine) -> None:
    machine("0,0")
    with devices.claimed():
        assert visible() == "0"
        with devices.claimed():
            assert visible() == "0"
            assert waits(1)


def test_several_together_or_none(machine: Machine) -> None:
    machine("0,0,1")
    with devices.claimed(2):
        assert visible() == "0,1", "different ones"
    with devices.claimed():
        visible()
        with devices.claimed(2):
            assert visible() == "0,1", "GPU 0 has a second place"
            with pytest.raises(UserError, match="3 GPUs are asked for and this machine has 2"), devices.claimed(3):
                pass


def test_half_of_what_is_asked_for_is_not_held(machine: Machine) -> None:
    machine("0,1")
    with devices.claimed():
        visible()
        assert waits(2)
        with devices.claimed():
            assert visible() == "1", "the one that waited for two holds none"


def test_each_process_of_torchrun_takes_its_own(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine("0,1,2,3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with devices.claimed():
        assert visible() == "3"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    with pytest.raises(UserError, match="CUDA_VISIBLE_DEVICES=2 names fewer"), devices.claimed():
        pass


def test_no_gpu(machine: Machine) -> None:
    machine("")
    with devices.claimed() as device:
        assert device == "cpu"
    with pytest.raises(UserError, match="2 GPUs are asked for and this machine has 0"), devices.claimed(2):
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the locks lie."""
    return tmp_path / f"hadaptive-gpu-{os.getuid()}"


def test_a_lock_that_leads_elsewhere_is_refused_and_its_target_kept(machine: Machine, folder: Path) -> None:
    machine("0")
    folder.mkdir()
    target = folder.parent / "thesis"
    target.write_text("years of work")
    (folder / "0.lock").symlink_to(target)
    with pytest.raises(UserError, match=r"0\.lock is a link or no file, .*; remove it"), devices.claimed():
        pass
    assert target.read_text() == "years of work"


@pytest.mark.parametrize("plant", [lambda path: path.symlink_to("/tmp"), lambda path: path.write_text("")])
def test_a_folder_of_locks_that_is_none_is_refused(
    machine: Machine, folder: Path, plant: Callable[[Path], object]
) -> None:
    machine("0")
    plant(folder)
    with (
        pytest.raises(UserError, match=r"is not a folder of yours, .* set TMPDIR to another folder"),
        devices.claimed(),
    ):
        pass


def test_a_folder_of_locks_is_ours_alone(machine: Machine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine("0")
    folder.mkdir(mode=0o777)
    (folder / "0.lock").write_text("kept")
    with devices.claimed():
        visible()
    assert folder.stat().st_mode & 0o777 == 0o700 and (folder / "0.lock").read_text() == "kept"
    somebody = os.getuid() + 1
    monkeypatch.setattr(devices.os, "getuid", lambda: somebody)
    folder.rename(folder.with_name(f"hadaptive-gpu-{somebody}"))
    with pytest.raises(UserError, match="is not a folder of yours"), devices.claimed():
        pass


def test_a_training_has_as_many_threads_by_hand_as_in_the_workflow(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    asked = _parser().parse_args(["train", "cifar100/hadaptive_net_s/dysoft/seed0"]).threads
    machine("")
    assert asked is None and devices.threads() == 1
    machine("0")
    assert devices.threads() == 8
    rule = (Path(__file__).resolve().parent.parent / "workflow/rules/train.smk").read_text()
    assert "threads: devices.threads()" in rule
