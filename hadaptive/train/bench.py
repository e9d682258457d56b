"""How much of the bare speed the training loop keeps: both measured side by side in one run."""

from __future__ import annotations

import contextlib
import copy
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from hadaptive.cuda_graph import captured
from hadaptive.data.batches import open_batches
from hadaptive.nn.zoo import create_model
from hadaptive.train import ranks
from hadaptive.train.classify import Precision
from hadaptive.train.loop import Schedule, fit
from hadaptive.train.micro_batches import shard
from hadaptive.train.record import device_name
from hadaptive.train.schedule import cosine


def loop_ratio(
    model_name: str,
    data: Path,
    *,
    image_size: int,
    threads: int,
    rounds: int = 7,
    steps: int = 12,
    batch_size: int = 64,
    precision: Literal["fp32", "bf16"] = "fp32",
    compile: bool | Literal["graphs"] = False,
) -> dict[str, Any]:
    """Images/s of `fit` on prepared data, over those of forward, backward and step on one batch already on the device.

    Rounds of both alternate, so that what else the machine does meets both; medians are compared. channels_last, the
    optimiser of the recipe. `compile` is the loop's alone. On a GPU a third kind of round replays the bare step,
    captured once as a CUDA graph: no Python runs between its kernels, so that it bounds what any loop can reach without
    other kernels. Where the step cannot be captured, the reason stands in its place. `reading` is an epoch of batches
    without a model. Under torchrun all processes take the same steps, and speeds are those of the whole batch.
    """
    torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batches = open_batches(
        data,
        "train",
        image_size=image_size,
        batch_size=batch_size,
        device=device,
        train=True,
        examples=batch_size * steps,
        part=shard if ranks.world_size() > 1 else None,
    )
    torch.manual_seed(0)
    model = create_model(model_name, num_classes=batches.num_classes)
    model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.train()
    adamw = partial(torch.optim.AdamW, foreach=True, capturable=device.type == "cuda")
    optimizer = adamw(model.parameters())
    loss = Precision(device, precision).loss
    schedule = Schedule(1, partial(cosine, peak=1e-3, warmup=0.05), limit=float("inf"), compile=compile)
    bare, bare_optimizer = model, optimizer
    if ranks.world_size() > 1:  # `fit` makes `model` parallel itself
        bare = ranks.data_parallel(copy.deepcopy(model), device)
        bare_optimizer = adamw(bare.parameters())
    x, y = next(batches.epoch(1))
    own = slice(*shard(batch_size))
    x, y = x[own], y[own]

    def step() -> None:
        loss(bare, x, y)[0].backward()  # type: ignore[no-untyped-call]
        bare_optimizer.step()
        bare_optimizer.zero_grad(set_to_none=True)

    def speed(step: Callable[[], None], times: int = steps) -> float:
        started = time.perf_counter()
        for _ in range(times):
            step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return batch_size * steps / (time.perf_counter() - started)

    def read() -> None:
        for _ in batches.epoch(1):
            pass

    def reading() -> float:
        return speed(read, 1)

    def looped() -> float:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            history = fit(
                model,
                optimizer,
                batches,
                loss,
                lambda net: {"test_top1": 0.0},
                schedule,
                work=Path(folder),
                device=device,
            ).history
        return float(history.curve[0]["examples_per_s"])

    kinds: dict[str, Callable[[], float]] = {"bare": partial(speed, step), "loop": looped, "reading": reading}
    failure: dict[str, Any] = {}
    if device.type == "cuda":
        try:
            kinds["captured"] = partial(speed, captured(step).replay)
        except RuntimeError as error:
            failure["captured"] = f"cannot be captured: {error}"
    for measure in kinds.values():  # warm up
        measure()
    measured = [{kind: measure() for kind, measure in kinds.items()} for _ in range(rounds)]

    def ratio(to: str) -> float:
        return round(statistics.median(speeds["loop"] / speeds[to] for speeds in measured), 4)

    return {
        "model": model_name,
        "image_size": image_size,
        "batch_size": batch_size,
        "precision": precision,
        "compile": compile,
        "device": device_name(device),
        "threads": threads,
        "processes": ranks.world_size(),
        **{f"{kind}_images_per_s": round(statistics.median(speeds[kind] for speeds in measured), 1) for kind in kinds},
        "ratio": ratio("bare"),
        **({"ratio_to_captured": ratio("captured")} if "captured" in kinds else failure),
    }
