"""How much of the bare speed the training loop keeps: both measured side by side in one run."""

from __future__ import annotations

import contextlib
import copy
import io
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from hadaptive.cuda_graph import captured
from hadaptive.data.batches import open_batches
from hadaptive.nn.onednn import Depthwise
from hadaptive.nn.zoo import create_model
from hadaptive.train import ranks
from hadaptive.train.classify import Precision
from hadaptive.train.loop import Schedule, fit
from hadaptive.train.memory import keep_freed_memory
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
    without a model. On a CPU `plain` is the bare step in a process of its own, without what this project changes for
    speed: PyTorch's depthwise convolutions, glibc's handling of memory. Under torchrun all processes take the same
    steps, speeds are those of the whole batch, and nothing is measured plain.
    """
    torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        keep_freed_memory()
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
    model = _model(model_name, batches.num_classes, device)
    optimizer = _adamw(model, device)
    loss = Precision(device, precision).loss
    schedule = Schedule(1, partial(cosine, peak=1e-3, warmup=0.05), limit=float("inf"), compile=compile)
    bare, bare_optimizer = model, optimizer
    if ranks.world_size() > 1:  # `fit` makes `model` parallel itself
        bare = ranks.data_parallel(copy.deepcopy(model), device)
        bare_optimizer = _adamw(bare, device)
    x, y = next(batches.epoch(1))
    own = slice(*shard(batch_size))
    x, y = x[own], y[own]

    step = _step(bare, bare_optimizer, precision, x, y)

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
    with contextlib.ExitStack() as others:
        if device.type == "cpu" and ranks.world_size() == 1:
            plain = others.enter_context(_plain(model_name, batches.num_classes, precision, threads, x, y))
            kinds["plain"] = lambda: batch_size * steps / plain(steps)
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
        **{f"ratio_to_{kind}": ratio(kind) for kind in ("captured", "plain") if kind in kinds},
        **failure,
    }


def _model(name: str, num_classes: int, device: torch.device) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = create_model(name, num_classes=num_classes)
    model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.train()


def _adamw(model: nn.Module, device: torch.device) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), foreach=True, capturable=device.type == "cuda")


def _step(
    model: nn.Module, optimizer: torch.optim.Optimizer, precision: str, x_BCHW: Tensor, y_B: Tensor
) -> Callable[[], None]:
    loss = Precision(x_BCHW.device, precision).loss

    def step() -> None:
        loss(model, x_BCHW, y_B)[0].backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


@contextlib.contextmanager
def _plain(*job: Any) -> Iterator[Callable[[int], float]]:
    """Start a process that does `_plain_steps`; yield what lets it take so many steps and returns their seconds."""
    processes = multiprocessing.get_context("spawn")
    here, there = processes.Pipe()
    process = processes.Process(target=_plain_steps, args=(there, *job), daemon=True)
    process.start()
    there.close()

    def seconds(steps: int) -> float:
        here.send(steps)
        taken: float = here.recv()
        return taken

    try:
        yield seconds
    finally:
        here.close()  # what the process takes as its end
        process.join()


def _plain_steps(
    orders: Connection, name: str, num_classes: int, precision: str, threads: int, x_BCHW: Tensor, y_B: Tensor
) -> None:
    """Take as many steps as `orders` asks for, each time, and answer with their seconds."""
    torch.set_num_threads(threads)
    model = _model(name, num_classes, torch.device("cpu"))
    for module in model.modules():
        if isinstance(module, Depthwise):
            module.__class__ = nn.Conv2d  # type: ignore[assignment]
    step = _step(model, _adamw(model, x_BCHW.device), precision, x_BCHW, y_B)
    with contextlib.suppress(EOFError):
        while True:
            steps = orders.recv()
            started = time.perf_counter()
            for _ in range(steps):
                step()
            orders.send(time.perf_counter() - started)
