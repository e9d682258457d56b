"""A short real run again: the first epoch of a training that has a reference record, on real CIFAR-100."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from hadaptive.records import read_json

ROOT = Path(__file__).resolve().parent.parent
RUN = "cifar100/mobilenetv3_small_100/base/seed0"  # the quickest of Table 7
RECORD = ROOT / "results/reference/cpu" / RUN / "record.json"
# Another processor or version of torch sums in another order, and training carries such differences on; a change of the
# recipe, the augmentation or the model moves the first epoch's loss by more than this.
LOSS_WITHIN, TOP1_WITHIN = 0.03, 2.0  # of the loss, relative; in points


@pytest.mark.slow
def test_the_first_epoch_of_a_committed_record_again(tmp_path: Path) -> None:
    if not os.environ.get("HADAPTIVE_DATA"):
        pytest.skip("HADAPTIVE_DATA names no folder with real data")
    (tmp_path / "params.yaml").symlink_to(ROOT / "params.yaml")
    subprocess.run([sys.executable, "-m", "hadaptive", "data", "cifar100"], cwd=tmp_path, env=_env(), check=True)
    again, recorded = _first_epoch(tmp_path), read_json(RECORD)["curve"][0]
    assert again["train_loss"] == pytest.approx(recorded["train_loss"], rel=LOSS_WITHIN)
    assert again["test_top1"] == pytest.approx(recorded["test_top1"], abs=TOP1_WITHIN)


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def _first_epoch(folder: Path) -> dict[str, Any]:
    """Train until the first epoch is saved, then stop, and read its entry of the curve from the saved state."""
    words = [sys.executable, "-m", "hadaptive", "train", RUN, "--scale", "cpu", "--device", "cpu", "--threads", "1"]
    with (folder / "log").open("w") as log:
        trainer = subprocess.Popen(words, cwd=folder, env=_env(), stdout=log, stderr=subprocess.STDOUT)
    try:
        while not (states := list(folder.glob("work/**/state.pt"))):
            assert trainer.poll() is None, (folder / "log").read_text()
            time.sleep(0.5)
    finally:
        trainer.send_signal(signal.SIGKILL)
        trainer.wait()
    entry: dict[str, Any] = torch.load(states[0], weights_only=True)["history"]["curve"][0]
    return entry
