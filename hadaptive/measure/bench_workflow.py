"""What making a target costs: processor time of the whole workflow, against fixed work on the same machine.

Seconds differ between machines by more than any change to this project. The figure to compare is the ratio: processor
time of the workflow over that of a fixed matrix product and a fixed import. Imports no torch.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from hadaptive.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "params.yaml", "workflow", "hadaptive", "kernels", "profiles", "results/reference")
CALIBRATION = """
import timm, torch
torch.set_num_threads(1)
a = torch.ones(1024, 1024)
for _ in range(60):
    a = (a @ a).clamp(max=1)
"""


def workflow_cost(target: str, cores: int) -> dict[str, Any]:
    """Make `target` from nothing in a copy of the project; return what it cost.

    Processor time (`*_processor_s`, seconds) is user and system time of all processes together, `ratio` that of the
    workflow over the calibration's. `first_output_s` and `longest_silence_s` are seconds of wall time until the first
    line on the terminal, and between two. Raises UserError, with the end of the output, where the workflow fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copied(folder)
        lines: list[tuple[float, str]] = []
        started = time.monotonic()
        processor_s = _processor_s(lambda: _make(target, cores, folder, lines))
        wall_s = time.monotonic() - started
    python = [sys.executable, "-c", CALIBRATION]
    subprocess.run(python, check=True)  # warm: a first import compiles and reads from disk
    calibration_s = _processor_s(lambda: subprocess.run(python, check=True))
    moments = [started, *(moment for moment, _ in lines), started + wall_s]
    silences = [after - before for before, after in pairwise(moments)]
    return {
        "target": target,
        "cores": cores,
        "processors": len(os.sched_getaffinity(0)),
        "wall_s": round(wall_s, 1),
        "processor_s": round(processor_s, 1),
        "calibration_processor_s": round(calibration_s, 2),
        "ratio": round(processor_s / calibration_s, 1),
        "first_output_s": round(silences[0], 1),
        "longest_silence_s": round(max(silences), 1),
    }


def copied(folder: Path) -> None:
    """Copy what a workflow needs of this project."""
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copyfile
        copy(ROOT / part, folder / part)


def _make(target: str, cores: int, folder: Path, lines: list[tuple[float, str]]) -> None:
    """Run the workflow; note every line of its output with the moment it came."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), target]
    with subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        lines += ((time.monotonic(), line) for line in process.stdout)
    if process.returncode:
        raise UserError(f"{target} was not made:\n{''.join(line for _, line in lines[-20:])}")


def _processor_s(work: Callable[[], object]) -> float:
    def used() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    before = used()
    work()
    return used() - before
