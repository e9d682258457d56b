"""What a search step costs over plain steps of the paths it samples, measured side by side in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any, TypeVar

import torch
from torch import nn

from hadaptive.data.batches import open_batches
from hadaptive.nn.zoo import create_model
from hadaptive.recipes import SearchRecipe
from hadaptive.search.genotype import rows
from hadaptive.search.steps import Alternation, Inputs
from hadaptive.search.supernet import Path, SuperNet
from hadaptive.space import Space
from hadaptive.train.classify import Precision
from hadaptive.train.memory import keep_freed_memory
from hadaptive.train.record import device_name

Net = TypeVar("Net", bound=nn.Module)


def search_ratio(
    space: Space, data: FilePath, *, image_size: int, threads: int, paths: int = 12, batch_size: int = 64
) -> dict[str, Any]:
    """Return the time of a search step over that of plain steps, path by path.

    The search step is what `fit` does in one: the architecture's step on one path, then forward, backward, clipping and
    AdamW on another. The plain steps are of two models that have these two paths and nothing else: forward and backward
    of the first, a whole training step of the second. fp32, channels_last.
    """
    torch.set_num_threads(threads)
    keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batches = open_batches(
        data, "train", image_size=image_size, batch_size=batch_size, device=device, train=True, examples=2 * batch_size
    )
    (x, y), (held_x, held_y) = batches.epoch(1)
    torch.manual_seed(0)
    supernet, precision = _placed(SuperNet(space, batches.num_classes), device), Precision(device, "fp32")
    optimizer = torch.optim.AdamW(supernet.weights(), foreach=True)
    clip = SearchRecipe.model_validate({}).clip
    # a rate of 0 costs the same and leaves the paths as they were drawn
    alternation = Alternation(torch.optim.AdamW([supernet.logits_LC], lr=0.0), precision, clip)

    def searched(seed: int) -> None:
        torch.manual_seed(seed)
        alternation.loss(supernet, Inputs(x, held_x, held_y, 1.0), y)[0].backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(supernet.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    ratios, seconds = [], []
    for seed in range(paths):
        torch.manual_seed(seed)
        first, second = (
            _alone(space, supernet.sample(1.0, gated=False), batches.num_classes, device) for _ in range(2)
        )
        own = torch.optim.AdamW(second.parameters(), foreach=True)

        def plain(first: nn.Module = first, second: nn.Module = second, own: torch.optim.Optimizer = own) -> None:
            precision.loss(first, held_x, held_y)[0].backward()  # type: ignore[no-untyped-call]
            first.zero_grad(set_to_none=True)
            precision.loss(second, x, y)[0].backward()  # type: ignore[no-untyped-call]
            own.step()
            own.zero_grad(set_to_none=True)

        times = _alternately(lambda seed=seed: searched(seed), plain, device)  # type: ignore[misc]
        seconds.append(times)
        ratios.append(times[0] / times[1])
    search_s, plain_s = (statistics.median(column) for column in zip(*seconds, strict=True))
    return {
        "image_size": image_size,
        "batch_size": batch_size,
        "device": device_name(device),
        "threads": threads,
        "paths": paths,
        "search_step_ms": round(1000 * search_s, 1),
        "plain_steps_ms": round(1000 * plain_s, 1),
        "ratio": round(statistics.median(ratios), 4),
    }


def _alone(space: Space, path: Path, num_classes: int, device: torch.device) -> nn.Module:
    """Return a model that has one path and nothing else."""
    names = [layer.choose[place] for layer, place in zip(space.layers, path.places, strict=True)]
    return _placed(create_model("hadaptive_net_found", num_classes, rows=rows(space, names)), device)


def _placed(model: Net, device: torch.device) -> Net:
    model.train()
    return model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _alternately(one: Callable[[], None], other: Callable[[], None], device: torch.device) -> tuple[float, float]:
    """Return the median seconds of both after a warm-up, in turns, so that what else the machine does meets both."""
    measured: tuple[list[float], list[float]] = ([], [])
    for turn in range(4):
        for step, times in zip((one, other), measured, strict=True):
            started = time.perf_counter()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if turn:
                times.append(time.perf_counter() - started)
    return statistics.median(measured[0]), statistics.median(measured[1])
