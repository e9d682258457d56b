"""A slice of the demo on a real Slurm of one node, started here: as root, with slurm-wlm and the extra `cluster`."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflow.conftest import SMALL, Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(shutil.which, ("munged", "slurmctld", "slurmd"))), reason="Debian's slurm-wlm is not installed"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="Slurm's daemons are started as root"),
    pytest.mark.skipif(
        importlib.util.find_spec("snakemake_executor_plugin_slurm") is None, reason="uv sync --extra cluster"
    ),
]
CONFIGURED = Path("/etc/slurm/slurm.conf")  # where Slurm's own libraries look
CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge/sock
SlurmUser=root
SlurmdUser=root
SlurmctldPort=16817
SlurmdPort=16818
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
ReturnToService=2
SwitchType=switch/none
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
WORDS = (
    "--workflow-profile profiles/slurm --default-resources mem_mb=2000 runtime=30 slurm_partition=main "
    "--slurm-status-command squeue --slurm-init-seconds-before-status-checks 3 --slurm-no-account --latency-wait 10"
)
RUN = "demo/cifar100/mobilenetv3_small_100/base/seed0"


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[None]:
    """munged, slurmctld and slurmd, ended by their own process ids."""
    if CONFIGURED.exists():
        pytest.skip(f"{CONFIGURED} exists: a Slurm is set up here")
    folder = tmp_path / "slurm"
    for name in ("state", "spool", "munge"):
        (folder / name).mkdir(parents=True)
    (folder / "munge").chmod(0o711)
    key = folder / "munge/key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    (folder / "slurm.conf").write_text(CONF.format(folder=folder, host=socket.gethostname().partition(".")[0]))
    CONFIGURED.parent.mkdir(exist_ok=True)
    CONFIGURED.symlink_to(folder / "slurm.conf")
    files = {"key": "key", "socket": "sock", "pid": "pid", "log": "log", "seed": "seed"}
    munge = [f"--{what}-file={folder}/munge/{file}".replace("socket-file", "socket") for what, file in files.items()]
    try:
        for command in (["munged", "--force", *munge], ["slurmctld", "-c"], ["slurmd"]):
            subprocess.run(command, check=True)
        time.sleep(3)
        yield
    finally:
        CONFIGURED.unlink()
        for pid in (folder / "slurmd.pid", folder / "slurmctld.pid", folder / "munge/pid"):
            if pid.exists():
                subprocess.run(["kill", pid.read_text().strip()])


def test_a_preempted_job_is_queued_again_and_goes_on(fresh: Project, slurm: None) -> None:
    config = SMALL.replace("epochs: 2", "epochs: 40").replace("seeds: [0, 1]", "seeds: [0]")
    process = fresh.start(f"exec snakemake {WORDS} results/{RUN}/record.json --config {config} > output 2>&1")
    log = fresh.folder / f"logs/{RUN}.log"
    while process.poll() is None and not (log.exists() and "epoch 2/" in log.read_text()):
        time.sleep(0.2)
    running = subprocess.run(["squeue", "-h", "-t", "R", "-o", "%i"], capture_output=True, text=True).stdout.split()
    subprocess.run(["scontrol", "requeue", *running], check=True)
    process.communicate()
    assert process.returncode == 0, (fresh.folder / "output").read_text()[-4000:]
    record = json.loads((fresh.folder / f"results/{RUN}/record.json").read_text())
    assert record["status"] == "done" and len(record["curve"]) == 40
    assert "resumed after epoch" in log.read_text()
