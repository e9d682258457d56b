"""`kill -9` of a small model's training in every step, and at three moments within every save: no bit is lost."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tests.reliability.attack import Attack
from tests.train.test_loop import at_step, equal, train

# What is killed is forked from a process that has imported PyTorch and computed nothing: a fork of this one could wait
# forever for OpenMP's threads, which it lacks. All train with one thread, as the number of threads changes bits.
CLEAN = multiprocessing.get_context("forkserver")
CLEAN.set_forkserver_preload([__name__])

WRITING, WRITTEN, RENAMING = "while it is written", "when it is written", "between its two renames"


def kill(*_: Any) -> None:
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


def in_step(number: int, work: Path) -> None:
    """Train, saving after every step, and be killed in a step."""
    train(work, at_step(number, kill), save_s=0.0)


def in_save(number: int, moment: str, work: Path) -> None:
    """Train, saving after every step, and be killed in a save, which replaces the state before, then the state."""
    if moment == WRITING:
        torch.save = at_call(number, torch.save, half)
    else:
        call = 2 * number - (2 if moment == WRITTEN else 1)  # the first save replaces nothing
        Path.replace = at_call(call, Path.replace, kill)  # type: ignore[method-assign]
    train(work, save_s=0.0)


def killed(die: Callable[[Path], None], folder: Path) -> None:
    """Have a process killed; the training that is started again must end as one that nobody disturbed."""
    torch.set_num_threads(1)
    child = CLEAN.Process(target=alone, args=(die, folder / "cut"))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL, f"it was not killed, but ended with {child.exitcode}"
    assert equal(train(folder / "whole"), train(folder / "cut")), "the training resumed to other bits"


def alone(die: Callable[[Path], None], work: Path) -> None:
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(io.StringIO()):
        die(work)


ATTACKS = [
    *(Attack(f"in step {n}", partial(killed, partial(in_step, n)), None) for n in range(1, 16)),
    *(
        Attack(f"in save {n}, {moment}", partial(killed, partial(in_save, n, moment)), None)
        for moment in (WRITING, WRITTEN, RENAMING)
        for n in range(2, 17)
    ),
]
