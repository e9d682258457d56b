"""`kill -9` of a small model's training at every step and at three moments within every save: nothing is lost.

Each process that is killed is a real one, forked for it: no `finally` of it runs.
"""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train.test_loop import at_step, equal, train

MOMENTS = ("step", "writing", "written", "renaming")


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(number: int, function: Callable[..., Any], act: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, in whose place `act` is called the `number`-th time."""
    calls = 0

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        return (act if calls == number else function)(*arguments, **options)

    return counted


def half(state: Any, file: Any, save: Callable[..., None] = torch.save) -> None:
    """Write half of a checkpoint; then the process is killed."""
    whole = io.BytesIO()
    save(state, whole)
    file.write(whole.getvalue()[: whole.tell() // 2])
    file.flush()
    kill()


def killed(work: Path, moment: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that saves after every step, in a process that is killed: in its `number`-th step, or in its
    `number`-th save, while it writes, when it has written, or between its two renames."""
    child = os.fork()
    if child == 0:
        try:
            if moment == "writing":
                monkeypatch.setattr(torch, "save", at_call(number, torch.save, half))
            elif moment != "step":  # a save replaces two files: the state before, then the state
                call = 2 * number - (2 if moment == "written" else 1)
                monkeypatch.setattr(Path, "replace", at_call(call, Path.replace, lambda *paths: kill()))
            train(work, *([at_step(number, kill)] if moment == "step" else []), save_s=0.0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def check(folder: Path, monkeypatch: pytest.MonkeyPatch, moment: str, numbers: Iterable[int]) -> None:
    whole = train(folder / "whole")
    for number in numbers:
        work = folder / f"{number}"
        killed(work, moment, number, monkeypatch)
        resumed_from = {path.name for path in work.glob("*.pt")}
        assert resumed_from or number == 1
        assert equal(whole, train(work)), f"killed at {moment} {number}"


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_training_killed_anywhere_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    check(tmp_path, monkeypatch, moment, (2, 11))


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_training_killed_everywhere_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """15 steps, and as many saves; the first save replaces nothing, so it is not between two renames."""
    check(tmp_path, monkeypatch, moment, range(2, 17) if moment == "written" else range(1, 16))
