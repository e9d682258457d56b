"""The trainer as a process of its own: killed, asked to stop, and gone on with, to the same bits."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hadaptive.identity import code_id
from hadaptive.recipes import Recipe
from hadaptive.run import Classification
from hadaptive.study.runs import trainer_code
from hadaptive.train import classify, work

ROOT = Path(__file__).resolve().parents[2]
RUN = Classification(
    scale="test",
    task="cifar100",
    model="mobilenetv3_small_100",
    variant="base",
    dataset="digits",
    seed=0,
    recipe=Recipe(epochs=8, image_size=32, batch_size=16, train_examples=96),
)


def ended(folder: Path, words: str, sent: signal.Signals, after_s: float) -> tuple[int, str]:
    """Train in a process until its log says `words`, a little longer, then send it the signal: exit code and log."""
    log = folder / "log"
    command = [sys.executable, "-m", "hadaptive", "train", RUN.dumps(), "--device", "cpu", "--threads", "1"]
    with log.open("w") as file:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=file, stderr=subprocess.STDOUT
        )
    while words not in log.read_text() and process.poll() is None:
        time.sleep(0.02)
    time.sleep(after_s)
    process.send_signal(sent)
    return process.wait(), log.read_text()


def in_here(folder: Path, digits: Path) -> dict[str, Any]:
    """The same training in this process, with what the other left behind."""
    places = folder / RUN.folder, folder / "work" / RUN.scale / RUN.id
    return dict(
        work.once(classify.train, RUN, digits, *places, device="cpu", threads=1, code=code_id(*trainer_code(RUN))).raw
    )


def outcome(record: dict[str, Any]) -> tuple[Any, ...]:
    curve = [{key: value for key, value in entry.items() if key != "examples_per_s"} for entry in record["curve"]]
    return record["status"], curve, [record["checkpoints"][name]["sha256"] for name in ("last", "best")]


def test_killed_then_stopped_then_gone_on_with_to_the_same_bits(tmp_path: Path, digits: Path) -> None:
    (tmp_path / "data/prepared").mkdir(parents=True)
    (tmp_path / "data/prepared/digits").symlink_to(digits)
    moment = random.Random(0).uniform(0, 0.2)
    code, _ = ended(tmp_path, "epoch 1/8", signal.SIGKILL, moment)
    assert code == -signal.SIGKILL
    code, said = ended(tmp_path, "epoch 2/8", signal.SIGTERM, 0.0)
    assert "resumed after epoch" in said
    assert code == 128 + signal.SIGTERM and "stopped after step" in said and "which is saved" in said, said
    assert "Traceback" not in said
    assert outcome(in_here(tmp_path, digits)) == outcome(in_here(tmp_path / "whole", digits))
