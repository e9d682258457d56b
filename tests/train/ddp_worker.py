"""Run by torchrun, or called for one process: train a small net three times and write what came of it to a folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hadaptive.nn.features import feature_maps
from hadaptive.nn.ssd import FocalSSD
from hadaptive.train import ranks
from hadaptive.train.detect import Detector
from hadaptive.train.loop import Loss, Schedule, fit
from hadaptive.train.schedule import cosine

SIZES = [8] * 10 + [7, 1]  # batches that do not divide by two, and one that leaves a process without examples


class Points:
    steps = len(SIZES)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(number)
        x = torch.randn(sum(SIZES), 6, generator=generator, dtype=torch.float64)
        y = torch.randint(3, (sum(SIZES),), generator=generator)
        yield from zip(x.split(SIZES), y.split(SIZES), strict=True)


def entropy(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
    logits = model(x)
    return F.cross_entropy(logits, y), (logits.argmax(1) == y).sum()


def assess(model: nn.Module) -> dict[str, Any]:
    assert ranks.is_main_process(), "the others wait"
    return {"test_top1": model(torch.linspace(-1, 1, 18, dtype=torch.float64).view(3, 6)).softmax(1)[0, 0].item()}


def train(work: Path, loss: Loss = entropy) -> list[dict[str, Any]]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    optimizer = torch.optim.AdamW(model.parameters(), foreach=True)
    schedule = Schedule(2, partial(cosine, peak=1e-2, warmup=0.1), limit=100.0, clip=1.0, save_s=0.0)
    curve = fit(model, optimizer, Points(), loss, assess, schedule, work=work, device=torch.device("cpu")).history.curve
    return [{key: value for key, value in entry.items() if key != "examples_per_s"} for entry in curve]


class Scenes:
    """Batches of five drawn boxes' worth of images: of two processes one has two images and the other three."""

    steps = 3

    def epoch(self, number: int) -> Iterator[tuple[Tensor, list[dict[str, Tensor]]]]:
        generator = torch.Generator().manual_seed(number)
        for _ in range(self.steps):
            x_BCHW = torch.rand(5, 3, 64, 64, generator=generator, dtype=torch.float64)
            corners = 40 * torch.rand(5, 2, 2, generator=generator, dtype=torch.float64)
            boxes = torch.cat([corners, corners + 20], dim=2)
            yield x_BCHW, [{"boxes": boxes[n, : n % 3], "labels": torch.arange(n % 3)} for n in range(5)]


def detect(work: Path) -> list[dict[str, Any]]:
    """SSD in float64, its batch normalisation, which sees a part of the batch on CPUs, exchanged for one by groups."""
    torch.manual_seed(0)
    model = FocalSSD(feature_maps("convnext_atto"), 2, image_size=64)
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.GroupNorm(1, child.num_features))
    optimizer = torch.optim.SGD(model.double().parameters(), momentum=0.9)
    schedule = Schedule(2, partial(cosine, peak=1e-3, warmup=0.1), limit=1e6)
    curve = fit(
        model,
        optimizer,
        Scenes(),
        Detector(torch.device("cpu"), "fp32").loss,
        lambda _: {"test_top1": 0.0},
        schedule,
        work=work,
        device=torch.device("cpu"),
    ).history.curve
    return [{key: value for key, value in entry.items() if key != "examples_per_s"} for entry in curve]


class Killed(BaseException):
    pass


class Counted:
    def __init__(self, until: int) -> None:
        self.until, self.steps = until, 0

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        self.steps += 1
        if self.steps == self.until:
            raise Killed
        return entropy(model, x, y)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with ranks.process_group("cpu"):
        whole, counted = train(folder / "whole"), Counted(until=10**9)
        try:
            train(folder / "cut", Counted(until=22))
        except Killed:
            resumed = train(folder / "cut", counted)
        detected = detect(folder / "detected")
        if ranks.is_main_process():
            steps = 2 * Points.steps
            found = {
                "whole": whole,
                "resumed": resumed,
                "detected": detected,
                "processes": ranks.world_size(),
                "steps": steps,
            }
            (folder / "result.json").write_text(json.dumps({**found, "steps_again": counted.steps}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
