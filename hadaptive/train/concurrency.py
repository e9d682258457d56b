"""What several small trainings that share one GPU get done, over one alone: measured in turns in one run."""

from __future__ import annotations

import contextlib
import multiprocessing
import statistics
import time
from collections.abc import Mapping, Sequence
from itertools import chain, count, islice
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import torch

from hadaptive.data.batches import open_batches
from hadaptive.errors import UserError
from hadaptive.nn.zoo import create_model
from hadaptive.train.classify import Precision
from hadaptive.train.record import device_name


def concurrency_ratios(
    model: str,
    data: Path,
    *,
    device: str,
    image_size: int,
    threads: int,
    most: int = 4,
    rounds: int = 5,
    seconds: float = 10,
    batch_size: int = 64,
) -> dict[str, Any]:
    """Images/s of 1, 2, ..., `most` processes together that each train `model` on `data`, and over those of one.

    Every process has its own model, optimiser, data and `threads` CPU threads, and takes whole steps, loading included
    (fp32, channels_last, the optimiser of the recipe). In a round each number of processes has its turn of `seconds`;
    a ratio is of two turns of one round, and the median over rounds counts. Where one more does not fit, the list ends
    with the reason. UserError where not even one trains.
    """
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    workers: list[tuple[SpawnProcess, Connection]] = []
    ready: list[Connection] = []
    reason = ""
    try:
        while not reason and len(workers) < most:
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_trainer, args=(theirs, model, data, device, image_size, threads, batch_size)
            )
            process.start()
            theirs.close()
            workers.append((process, ours))
            if not (reason := str(_answer(ours))):
                ready.append(ours)
        if not ready:
            raise UserError(f"{model} does not train on {device}: {reason}")
        turns: dict[int, list[float]] = {n: [] for n in range(1, len(ready) + 1)}
        for _ in range(rounds):
            for n, speeds in turns.items():
                speeds.append(_turn(ready[:n], seconds))
    finally:
        for _, connection in workers:
            connection.close()  # nobody asks any more: it ends
        for process, _ in workers:
            process.join()
    end = [{"processes": len(workers), "reason": reason}] if reason else []
    settings = {"model": model, "image_size": image_size, "batch_size": batch_size}
    settings |= {"device": device_name(torch.device(device)), "threads_each": threads}
    return {**settings, "seconds": seconds, "rounds": rounds, "sharing": [*summary(turns), *end]}


def summary(turns: Mapping[int, Sequence[float]]) -> list[dict[str, float]]:
    """Return a row per number of processes: images/s together, and over one alone in the same round (medians)."""
    return [
        {
            "processes": n,
            "images_per_s": round(statistics.median(speeds), 1),
            "ratio": round(statistics.median(all_ / one for all_, one in zip(speeds, turns[1], strict=True)), 3),
        }
        for n, speeds in sorted(turns.items())
    ]


def _turn(workers: Sequence[Connection], seconds: float) -> float:
    """Images/s of these processes, which train at the same time."""
    for worker in workers:
        with contextlib.suppress(BrokenPipeError):  # its answer says why
            worker.send(seconds)
    speeds = [_answer(worker) for worker in workers]
    if reasons := [speed for speed in speeds if isinstance(speed, str)]:
        raise UserError(f"a training among {len(workers)} ended: {reasons[0]}")
    return float(sum(speeds))


def _answer(worker: Connection) -> Any:
    try:
        return worker.recv()
    except (EOFError, ConnectionError):
        return "its process was ended from outside, as for lack of memory"


def _trainer(
    asked: Connection, model_name: str, data: Path, place: str, image_size: int, threads: int, batch_size: int
) -> None:
    """Send "" when ready to train, then train for each number of seconds received and send back the images/s.

    Where the training fails, the reason is sent instead.
    """
    torch.set_num_threads(threads)
    device = torch.device(place)
    # a queue of steps as in a training, but a bounded one: what is counted has been done
    queue = 10 if device.type == "cuda" else 1
    try:
        workers = threads if device.type == "cuda" else 0
        batches = open_batches(
            data, "train", image_size=image_size, batch_size=batch_size, device=device, train=True, workers=workers
        )
        stream = chain.from_iterable(map(batches.epoch, count(1)))
        torch.manual_seed(0)
        model = create_model(model_name, num_classes=batches.num_classes)
        model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        model.train()
        optimizer, loss = torch.optim.AdamW(model.parameters(), foreach=True), Precision(device, "fp32").loss

        def steps() -> int:
            images = 0
            for x_BCHW, y_B in islice(stream, queue):
                loss(model, x_BCHW, y_B)[0].backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                images += len(y_B)
            if device.type == "cuda":
                torch.cuda.synchronize()
            return images

        steps(), steps()
        asked.send("")
        while True:
            seconds, images, started = asked.recv(), 0, time.perf_counter()
            while time.perf_counter() - started < seconds:
                images += steps()
            asked.send(images / (time.perf_counter() - started))
    except (EOFError, BrokenPipeError):  # nobody asks any more
        pass
    except torch.OutOfMemoryError:
        asked.send("out of memory")
    except Exception as error:
        asked.send(f"{error}")
