"""The whole way: packed, run in an environment without project and network, interrupted, run again, merged."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import pytest

from tests.offline.conftest import MODELS
from tests.workflow.conftest import Project

NO_NETWORK = ("unshare", "-rn")
RUNS = (f"cifar100/{MODELS[0]}/dysoft/seed0", f"cifar100/{MODELS[1]}/base/seed0")
PACK = f"python -m hadaptive offline pack --no-wheels --minutes 30 --only '*/{MODELS[1]}/*' --only 'train *' away"


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment whose Python finds every package but this project's."""
    packages = tmp_path / "bare"
    packages.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "hadaptive" not in path.name and path.suffix != ".pth":
            (packages / path.name).symlink_to(path)
    base = getattr(sys, "_base_executable", sys.executable)
    keep = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")}
    return {**keep, "PYTHON": base, "PYTHONPATH": str(packages), "HADAPTIVE_GPUS": "", "OMP_NUM_THREADS": "1"}


def start(folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    walled = subprocess.run([*NO_NETWORK, "true"], capture_output=True).returncode == 0
    command = [*(NO_NETWORK if walled else ()), "bash", str(folder / "run.sh")]
    return subprocess.Popen(
        command, cwd=folder.parent, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def results(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Of each Run its metrics, its curve without times, and both checkpoints."""
    found = {}
    for run in RUNS:
        record = json.loads((folder / "results/demo" / run / "record.json").read_text())
        curve = [{name: value for name, value in each.items() if name != "examples_per_s"} for each in record["curve"]]
        checkpoints = [(folder / "results/demo" / run / f"{name}.pt").read_bytes() for name in ("last", "best")]
        found[run] = record["metrics"], curve, checkpoints
    return found


@pytest.mark.slow
def test_two_trainings_elsewhere_are_those_of_the_workflow_bit_for_bit(
    tiny: Project, bare: dict[str, str], tmp_path: Path
) -> None:
    assert "4 jobs" in tiny.run(PACK)
    away = shutil.move(tiny.folder / "away", tmp_path / "elsewhere")
    first = start(Path(away), bare)
    deadline = time.monotonic() + 600
    while not list(Path(away).glob("*/*/project/*/**/state.pt")):
        assert first.poll() is None and time.monotonic() < deadline, first.communicate()[0]
        time.sleep(0.05)
    first.send_signal(signal.SIGINT)
    said = first.communicate()[0]
    assert first.returncode == 0 and "4 of 4 jobs done" not in said, said
    second = start(Path(away), bare)
    said = second.communicate()[0]
    assert second.returncode == 0 and "4 of 4 jobs done" in said, said
    (archive,) = Path(away).glob("results-*.tar")
    assert "4 records taken" in tiny.run(f"python -m hadaptive offline merge {archive}")
    merged = results(tiny.folder)
    records = " ".join(f"results/demo/{run}/record.json" for run in RUNS)
    assert tiny.planned(records, "scale=demo") == {}
    assert tiny.planned(config=f"scale=demo models={MODELS[1]}") == {"table": 1}, "its latency is there, too"
    tiny.edit("params.yaml", "epochs: 3", "epochs: 4")
    assert tiny.planned(records, "scale=demo") == {"train": 2}
    tiny.edit("params.yaml", "epochs: 4", "epochs: 3")
    shutil.rmtree(tiny.folder / "results/demo")
    tiny.snakemake(records, "scale=demo")
    assert results(tiny.folder) == merged
