"""Two processes train one net: the loss curve of one process with the same batches, and resuming, through torchrun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hadaptive.recipes import Recipe
from hadaptive.run import Classification
from tests.train import ddp_worker

ROOT = Path(__file__).resolve().parents[2]


def torchrun(*words: str, cwd: Path) -> None:
    alone("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *words, cwd=cwd)


def alone(*words: str, cwd: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HADAPTIVE_GPUS": ""}
    done = subprocess.run([sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    torchrun(ddp_worker.__file__, str(tmp_path / "two"), cwd=tmp_path)
    ddp_worker.main(tmp_path / "one")
    one, two = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("one", "two"))
    assert two["processes"] == 2 and one["processes"] == 1
    for name in ("whole", "resumed", "detected"):
        for a, b in zip(one[name], two[name], strict=True):
            assert a["test_top1"] == pytest.approx(b["test_top1"], rel=1e-9), "float64, other orders of addition"
            assert a == pytest.approx(b, rel=1e-6), "the loss is added up in float32"
    assert two["resumed"] == two["whole"] and two["steps_again"] < two["steps"], "killed and resumed: the same bits"


@pytest.mark.slow
def test_a_classifier_trains_on_two_processes_as_on_one(tmp_path: Path, digits: Path) -> None:
    """ConvNeXt has no batch normalisation, whose statistics on CPUs are each process's own."""
    recipe = Recipe(epochs=2, image_size=32, batch_size=31, train_examples=160, flip=False)
    run = Classification(
        scale="test", task="cifar100", model="convnext_atto", variant="base", dataset="digits", recipe=recipe, seed=0
    )
    records = []
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "data/prepared").mkdir(parents=True)
        (folder / "data/prepared/digits").symlink_to(digits)
        words = ["-m", "hadaptive", "train", run.dumps(), "--device", "cpu", "--threads", "1"]
        if name == "two":
            torchrun(*words, cwd=folder)
        else:
            subprocess.run(
                [sys.executable, *words], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True
            )
        records.append(json.loads((folder / run.folder / "record.json").read_text()))
    one, two = records
    assert (one["environment"]["processes"], two["environment"]["processes"]) == (1, 2)
    losses = [[entry["train_loss"] for entry in record["curve"]] for record in records]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4), "float32, other orders of addition"
