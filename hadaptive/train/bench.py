"""How much of the bare speed the training loop keeps: both measured side by side in one run."""

from __future__ import annotations

import contextlib
import io
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch

from hadaptive.data.batches import open_batches
from hadaptive.nn.zoo import create_model
from hadaptive.train.classify import Precision
from hadaptive.train.loop import Plan, fit
from hadaptive.train.record import device_name
from hadaptive.train.schedule import cosine


def loop_ratio(
    model_name: str, data: Path, *, image_size: int, threads: int, rounds: int = 7, steps: int = 12
) -> dict[str, Any]:
    """Images/s of `fit` on prepared data, over those of forward, backward and step on one batch already on the device.

    Rounds of both alternate, so that what else the machine does meets both; medians are compared. Batch 64, fp32,
    channels_last, the optimiser of the recipe.
    """
    torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batches = open_batches(
        data, "train", image_size=image_size, batch_size=64, device=device, train=True, examples=64 * steps
    )
    torch.manual_seed(0)
    model = create_model(model_name, num_classes=batches.num_classes)
    model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), foreach=True)
    loss, plan = Precision(device, "fp32").loss, Plan(1, partial(cosine, peak=1e-3, warmup=0.05), limit=float("inf"))
    x, y = next(batches.epoch(1))

    def bare() -> float:
        started = time.perf_counter()
        for _ in range(steps):
            loss(model, x, y)[0].backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return len(y) * steps / (time.perf_counter() - started)

    def looped() -> float:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            history = fit(
                model, optimizer, batches, loss, lambda net: {"test_top1": 0.0}, plan, work=Path(folder), device=device
            ).history
        return float(history.curve[0]["examples_per_s"])

    bare(), looped()  # warm up both
    measured = [(bare(), looped()) for _ in range(rounds)]
    bare_speed, loop_speed = (statistics.median(speeds) for speeds in zip(*measured, strict=True))
    return {
        "model": model_name,
        "image_size": image_size,
        "device": device_name(device),
        "threads": threads,
        "bare_images_per_s": round(bare_speed, 1),
        "loop_images_per_s": round(loop_speed, 1),
        "ratio": round(statistics.median(loop / bare for bare, loop in measured), 4),
    }
