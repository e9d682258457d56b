"""The record of a Run that cannot be trained, because what it depends on has failed: a result with a reason."""

from __future__ import annotations

from pathlib import Path

import torch

from hadaptive.record import TrainingRecord
from hadaptive.run import Run
from hadaptive.train.loop import History, Trained
from hadaptive.train.record import write
from hadaptive.train.work import once


def train(
    run: Run, data: Path, out: Path, work: Path, *, device: str, threads: int, code: str, status: str
) -> TrainingRecord:
    """Leave a record with that status and empty checkpoints in `out`, as a trainer would; returns the record."""

    def make(folder: Path) -> None:
        nothing = Trained(History(status=status), {}, {}, 0)
        write(
            run,
            nothing,
            {},
            {},
            data=data,
            out=out,
            work=folder,
            device=torch.device(device),
            threads=threads,
            code=code,
        )

    return once(run, data, out, work, f"{code}\0{status}", make)
