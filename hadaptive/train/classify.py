"""Image classification (section 5.3): a Run from its settings to its record."""

from __future__ import annotations

import math
import resource
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hadaptive.data.batches import Batches, open_batches
from hadaptive.errors import UserError
from hadaptive.nn.zoo import create_model, min_image_size
from hadaptive.records import SCHEMA, environment, processor, read_json, sha256, write_json
from hadaptive.run import Run
from hadaptive.train import checkpoint
from hadaptive.train.loop import Plan, fit
from hadaptive.train.work import place, workshop

DIVERGED_AT = 10.0  # times the loss of guessing, ln(classes): a mean training loss beyond it has diverged


def classify(run: Run, data: Path, out: Path, work: Path, *, device: str, threads: int, code: str) -> dict[str, Any]:
    """Train `run` on the prepared data in folder `data`; leave record.json, last.pt and best.pt in `out`.

    State to resume from lies under `work`; a Run that already finished there with the same settings, data and code is
    not trained again. Divergence and lack of memory end as a record that says so. Returns the record.
    Raises UserError for what the user can mend: damaged data or checkpoint, input smaller than the net takes.
    """
    torch.set_num_threads(threads)
    manifest = data / "manifest.json"
    with workshop(work, run.key(sha256(manifest), code)) as bench:
        if not bench.finished():
            _train(run, data, out, bench.folder, torch.device(device), threads, code)
        else:
            print(f"{run.id}: finished before with the same settings, data and code; taking its result", flush=True)
        place(bench.folder, out)
    record: dict[str, Any] = read_json(out / "record.json")
    return record


def _train(run: Run, data: Path, out: Path, work: Path, device: torch.device, threads: int, code: str) -> None:
    recipe = run.recipe
    manifest = read_json(data / "manifest.json")
    memory_format = torch.channels_last if recipe.channels_last else torch.contiguous_format
    common: dict[str, Any] = {
        "image_size": recipe.image_size,
        "device": device,
        "seed": run.seed,
        "memory_format": memory_format,
        "workers": threads if device.type == "cuda" else 0,  # of an image folder, to keep a GPU fed
    }
    train = open_batches(
        data, "train", batch_size=recipe.batch_size, train=True, pad=recipe.pad, flip=recipe.flip,
        examples=recipe.train_examples, **common,
    )  # fmt: skip
    test = open_batches(data, "test", batch_size=4 * recipe.batch_size, train=False, **common)

    torch.manual_seed(run.seed)
    model = build(run, train.num_classes)
    model.to(device=device, memory_format=memory_format)  # type: ignore[call-overload]
    # foreach: a few large operations instead of hundreds of small ones, the same update
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, foreach=True)
    precision = Precision(device, recipe.precision)
    plan = Plan(
        epochs=recipe.epochs,
        peak_lr=recipe.lr,
        warmup=recipe.warmup,
        limit=DIVERGED_AT * math.log(train.num_classes),
        compile=recipe.compile,
    )
    history, last, best = fit(
        model,
        optimizer,
        train,
        precision.loss,
        lambda net: precision.evaluate(net, test) | temperatures(model),
        plan,
        work=work,
        device=device,
    )

    for name, weights in (("last", last), ("best", best)):
        checkpoint.save(work / f"{name}.pt", weights)
    speeds = sorted(entry["images_per_s"] for entry in history.curve)
    end, top = history.curve[-1:], history.curve[history.best_epoch - 1 :][: len(history.curve[-1:])]
    record = {
        "schema": SCHEMA,
        "id": run.id,
        "scale": run.scale,
        "kind": "training",
        "status": history.status,
        "run": run.model_dump(mode="json"),
        "metrics": {
            "top1_last": end[0]["test_top1"] if end else None,
            "top5_last": end[0]["test_top5"] if end else None,
            "loss_last": end[0]["test_loss"] if end else None,
            "train_top1_last": end[0]["train_top1"] if end else None,
            "top1_best_on_test": top[0]["test_top1"] if top else None,
            "best_epoch": history.best_epoch or None,
        },
        "curve": history.curve,
        "model": {"parameters": sum(p.numel() for p in model.parameters() if p.requires_grad)},
        "images_per_s": speeds[len(speeds) // 2] if speeds else None,
        "wall_s": history.wall_s,
        "peak_memory_bytes": peak_memory(device),
        "environment": {**environment(), "device": device_name(device), "threads": threads},
        "data": {
            "dataset": run.dataset,
            "sha256": sha256(data / "manifest.json"),
            "train_examples": train.examples,
            "test_examples": test.examples,
            "source": manifest.get("source"),
        },
        "checkpoints": {
            name: {"path": str(out / f"{name}.pt"), "sha256": sha256(work / f"{name}.pt")} for name in ("last", "best")
        },
        "code": code,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    write_json(work / "record.json", record)  # last: it says that the Run is finished


def build(run: Run, num_classes: int) -> nn.Module:
    """The Run's model. UserError for an unknown model or option, and for images smaller than the net takes."""
    try:
        model, least = create_model(run.model, num_classes=num_classes, **run.options), min_image_size(run.model)
    except (ValueError, TypeError) as error:
        raise UserError(f"{run.model}, variant {run.variant}: {error}; correct it in params.yaml") from None
    if run.recipe.image_size < least:
        raise UserError(
            f"{run.model} needs images of at least {least} px and the recipe says {run.recipe.image_size}; "
            f"raise image_size of task {run.task} in params.yaml, or leave the model out"
        )
    return model


class Precision:
    """Forward passes for training and for testing, in the precision of the recipe."""

    def __init__(self, device: torch.device, precision: str) -> None:
        self.device, self.low = device, precision == "bf16"

    def _forward(self, model: nn.Module, x_BCHW: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.low):
            logits_BK: Tensor = model(x_BCHW)
        return logits_BK.float()

    def loss(self, model: nn.Module, x_BCHW: Tensor, y_B: Tensor) -> tuple[Tensor, Tensor]:
        """Mean cross-entropy of the batch, and how many images it gets right."""
        logits_BK = self._forward(model, x_BCHW)
        return F.cross_entropy(logits_BK, y_B), (logits_BK.detach().argmax(1) == y_B).sum()

    @torch.inference_mode()
    def evaluate(self, model: nn.Module, test: Batches) -> dict[str, Any]:
        """Loss, top-1 and top-5 (percent) over all test images; a loss that is not finite is recorded as null."""
        model.eval()
        loss, top1, top5, seen = (torch.zeros((), device=self.device, dtype=torch.float64) for _ in range(4))
        for x_BCHW, y_B in test.epoch(0):
            logits_BK = self._forward(model, x_BCHW)
            loss += F.cross_entropy(logits_BK, y_B, reduction="sum")
            right_BK = logits_BK.topk(min(5, logits_BK.shape[1])).indices == y_B[:, None]
            top1 += right_BK[:, 0].sum()
            top5 += right_BK.sum()
            seen += len(y_B)
        mean = (loss / seen).item()
        return {
            "test_loss": mean if math.isfinite(mean) else None,
            "test_top1": (100 * top1 / seen).item(),
            "test_top5": (100 * top5 / seen).item(),
        }


def temperatures(model: nn.Module) -> dict[str, Any]:
    """Temperature of every ACH (Algorithm 1), by module; empty for other nets."""
    found = {name.removesuffix(".tau"): value.item() for name, value in model.named_buffers() if name.endswith(".tau")}
    return {"tau": found} if found else {}


def device_name(device: torch.device) -> str:
    """For example "cuda: NVIDIA H200" or "cpu: AMD EPYC 7B13"."""
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else f"cpu: {processor()}"


def peak_memory(device: torch.device) -> int:
    """Most memory in use so far, bytes: allocated on a GPU, resident in the process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
