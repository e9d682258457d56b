"""What planning many Runs costs: `python -m tests.workflow.many_runs 46 92` (seeds; 92 make about 10,000 Runs).

Plans everything in a copy of the project, once for one seed and once for each number of seeds. Prints the Runs, the
processor time of `snakemake -n` over that of a fixed calculation (see `hadaptive bench workflow`), that beyond one
seed's by Run, and the peak memory. Linear planning keeps the time by Run the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from hadaptive import config
from hadaptive.measure.bench_workflow import CALIBRATION, copied
from hadaptive.study import Study


def planned(folder: Path, seeds: int) -> tuple[int, float, float]:
    """Return the number of Runs of so many seeds, the processor time in s and the peak memory in GiB of planning."""
    values = yaml.safe_load((folder / "params.yaml").read_text())
    values["scales"]["demo"]["seeds"] = list(range(seeds))
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    processor_s, memory = cost([sys.executable, "-m", "snakemake", "-n", "--quiet", "all"], folder)
    return len(Study(config.check(values)).runs), processor_s, memory


def cost(command: list[str], folder: Path) -> tuple[float, float]:
    """Return a command's processor time in seconds and its peak memory in GiB."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    started = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(started.pid, 0)
    started.returncode = status
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20


def main(numbers: list[int]) -> None:
    """Print a line for each number of seeds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copied(folder)
        fixed, _ = cost([sys.executable, "-c", CALIBRATION], folder)
        first = None
        for seeds in [1, *numbers]:
            runs, processor_s, memory = planned(folder, seeds)
            first = first or (runs, processor_s)
            by_run = (processor_s - first[1]) / (runs - first[0]) * 1e3 if runs > first[0] else 0.0
            print(
                f"{runs} Runs: {processor_s:.1f} processor s, {processor_s / fixed:.1f} of the calculation's "
                f"{fixed:.1f}; {by_run:.2f} ms a Run beyond the first {first[0]}; {memory:.2f} GiB",
                flush=True,
            )


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])
