"""GPUs are lent by locks: each to one process, or to as many as its places; several at once or none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hadaptive import devices
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
