"""What every finished training leaves behind, whatever its task: checkpoints and record.json."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hadaptive import record
from hadaptive.data import prepared
from hadaptive.data.errors import DataError
from hadaptive.records import processor, read_json, sha256
from hadaptive.run import Run
from hadaptive.train import checkpoint, ranks
from hadaptive.train.loop import History, Trained
from hadaptive.train.outcomes import NAME


@dataclass(frozen=True)
class Job:
    """What a trainer is given besides the Run: the prepared data, the Run's work folder, the device, CPU threads."""

    data: Path
    work: Path
    device: torch.device
    threads: int

    @property
    def workers(self) -> int:
        """Processes that load data: several keep a GPU fed."""
        return self.threads if self.device.type == "cuda" else 0


@dataclass(frozen=True)
class Result:
    """What a trainer returns: the training, the task's metrics, and how many examples the data have.

    `examples` has the record's names for them: "train_examples", "test_examples".
    """

    trained: Trained
    metrics: dict[str, Any]
    examples: dict[str, int]


def accuracies(history: History) -> dict[str, Any]:
    """Return what a training of a classifier reached: after its last epoch, and at the epoch that is best on test."""
    last, best = history.last_entry(), history.best_entry()
    return {
        "top1_last": last.get("test_top1"),
        "loss_last": last.get("test_loss"),
        "train_top1_last": last.get("train_top1"),
        "top1_best_on_test": best.get("test_top1"),  # picks the epoch by the test set
        "best_epoch": history.best_epoch or None,
    }


def write(run: Run, result: Result, job: Job, *, out: Path, code: str) -> None:
    """Write last.pt, best.pt and then record.json into the work folder, from where they go to `out`.

    Where the prepared data changed during the training it raises DataError, writes nothing, and drops what was learned.
    """
    data, work, device, trained = job.data, job.work, job.device, result.trained
    if not ranks.is_main_process():
        return
    try:
        prepared.verify(
            data, image_size=run.image_size
        )  # again, as a training takes hours: the record names what it was trained on
    except DataError:
        for state in work.glob("state*.pt"):  # nobody can tell from which epoch on the data were others
            state.unlink()
        raise
    history = trained.history
    for name, weights in (("last", trained.last), ("best", trained.best)):
        checkpoint.save(work / f"{name}.pt", weights)
    speeds = sorted(entry["examples_per_s"] for entry in history.curve)
    fields = record.envelope(
        run,
        result.metrics,
        status=history.status,
        environment={"device": device_name(device), "threads": job.threads, "processes": ranks.world_size()},
        curve=history.curve,
        micro_batches=micro_batches(history),
        **({NAME: history.outcomes} if history.outcomes else {}),
        model={"parameters": trained.parameters},
        examples_per_s=speeds[len(speeds) // 2] if speeds else None,
        wall_s=history.wall_s,
        peak_memory_bytes=peak_memory(device),
        data={
            "dataset": run.dataset,
            "sha256": sha256(data / "manifest.json"),
            **result.examples,
            "source": read_json(data / "manifest.json").get("source"),
        },
        checkpoints={
            name: {"path": str(out / f"{name}.pt"), "sha256": sha256(work / f"{name}.pt")} for name in ("last", "best")
        },
        code=code,
        finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    record.write(work / "record.json", fields)  # last: it says that the Run is finished


def micro_batches(history: History) -> dict[str, Any] | None:
    """Return from which epoch on how many examples went through the model at once, where memory was too small."""
    if not history.micro_batches:
        return None
    note = "out of memory; steps are of the recipe's batch, batch normalisation's statistics are those of a part of it"
    return {"from": history.micro_batches, "note": note}


def device_name(device: torch.device) -> str:
    """For example "cuda: NVIDIA H200" or "cpu: AMD EPYC 7B13"."""
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else f"cpu: {processor()}"


def peak_memory(device: torch.device) -> int:
    """Return the most memory in use so far, bytes: allocated on a GPU, resident in the process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
