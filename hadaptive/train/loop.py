"""The training loop: every Run of every task goes through `fit`, top to bottom.

What varies comes in: the model, an optimiser, batches by epoch, a loss, an evaluation. What never varies is here: the
schedule, checkpoints and resuming to the same bits, divergence as a result, progress, the curve.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from hadaptive.train import checkpoint

REFRESH_S = 0.5  # how often the bar reads the running sums, and so waits for the device


class Batches(Protocol):
    """What training needs of data: its length and one epoch's batches, the same for the same epoch every time.

    A batch is inputs and targets, of whatever type the loss takes; the length of the targets counts the examples.
    """

    @property
    def steps(self) -> int: ...
    def epoch(self, number: int) -> Iterator[tuple[Any, Any]]: ...


@dataclass(frozen=True)
class Plan:
    """How long to train, at what learning rate, and the mean training loss beyond which it has diverged."""

    epochs: int
    schedule: Callable[[int, int], float]  # learning rate of a step (0-based) out of so many
    limit: float
    select: str = "test_top1"  # the metric, in percent, whose highest value marks the best epoch
    clip: float | None = None  # largest norm of all gradients together
    compile: bool = False


@dataclass
class History:
    """What a training leaves behind: one entry an epoch, how it ended, how long it took."""

    status: str = "done"
    curve: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    wall_s: float = 0.0

    def ending(self) -> dict[str, Any]:
        """The last finished epoch's entry, empty if none finished."""
        return self.curve[-1] if self.curve else {}

    def top(self) -> dict[str, Any]:
        """The best epoch's entry, empty if none finished."""
        return self.curve[self.best_epoch - 1] if self.best_epoch else {}


Weights = dict[str, Any]


@dataclass(frozen=True)
class Trained:
    """A training's history, the weights after its last finished epoch and after its best one."""

    history: History
    last: Weights
    best: Weights
    parameters: int  # that were trained


class Diverged(Exception):
    """The training loss is not finite, or far beyond chance."""


Loss = Callable[[nn.Module, Any, Any], tuple[Tensor, Tensor | None]]


def fit(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: Batches,
    loss: Loss,
    evaluate: Callable[[nn.Module], dict[str, Any]],
    plan: Plan,
    *,
    work: Path,
    device: torch.device,
    beside: Mapping[str, torch.optim.Optimizer] | None = None,
) -> Trained:
    """Train as planned, resuming from `work/state.pt` where it exists.

    `beside`: optimisers that the loss itself steps (an architecture search); they are saved and resumed too.

    `loss(model, x, y)` returns the mean loss of the batch and how many it predicts right (None where nothing can be
    counted), both on the device. `evaluate(model)` returns the metrics of an epoch. Raises what `checkpoint.load`
    raises for damaged state.
    """
    state_file, history, beside = work / "state.pt", History(), beside or {}
    last = best = checkpoint.weights(model)
    if (state := checkpoint.newest(state_file, device)) is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        for name, other in beside.items():
            other.load_state_dict(state["beside"][name])
        checkpoint.restore_rng(state["rng"], device)
        history, last, best = History(**state["history"]), state["model"], state["best"]
        print(f"resumed after epoch {len(history.curve)} of {plan.epochs}", flush=True)
    net: nn.Module = torch.compile(model) if plan.compile else model  # type: ignore[assignment]
    first, steps = len(history.curve) + 1, plan.epochs * train.steps
    with tqdm(total=steps, initial=(first - 1) * train.steps, disable=None, unit="step", dynamic_ncols=True) as bar:
        for epoch in range(first, plan.epochs + 1):
            started = time.perf_counter()
            try:
                entry = {
                    "epoch": epoch,
                    **_epoch(net, optimizer, train, loss, plan, epoch, device, bar),
                    **evaluate(net),
                }
            except (Diverged, RuntimeError) as error:
                if (reason := failure(error)) is None:
                    raise
                history.status = f"{reason} at epoch {epoch}"
                break
            history.curve.append(entry)
            history.wall_s += time.perf_counter() - started
            last = checkpoint.weights(model)
            if history.best_epoch == 0 or entry[plan.select] > history.curve[history.best_epoch - 1][plan.select]:
                history.best_epoch, best = epoch, last
            whole = {"model": last, "best": best, "optimizer": optimizer.state_dict(), "history": vars(history)}
            whole["beside"] = {name: other.state_dict() for name, other in beside.items()}
            checkpoint.save(state_file, whole | {"rng": checkpoint.rng_state(device)}, keep_previous=True)
            with bar.external_write_mode():
                print(_line(entry, plan, history.wall_s / epoch * (plan.epochs - epoch)), flush=True)
    return Trained(history, last, best, sum(p.numel() for p in model.parameters() if p.requires_grad))


def _epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: Batches,
    loss: Loss,
    plan: Plan,
    epoch: int,
    device: torch.device,
    bar: tqdm[Any],
) -> dict[str, float]:
    """One pass over the training data: last learning rate, mean loss, top-1 in percent where counted, examples/s."""
    model.train()
    loss_sum, right, seen = torch.zeros((), device=device), torch.zeros((), device=device), 0
    counted = True
    step, steps = (epoch - 1) * train.steps, plan.epochs * train.steps
    started = shown = time.perf_counter()
    for x, y in train.epoch(epoch):
        for group in optimizer.param_groups:
            group["lr"] = plan.schedule(step, steps)
        batch_loss, batch_right = loss(model, x, y)
        batch_loss.backward()  # type: ignore[no-untyped-call]
        if plan.clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        # Sums stay on the device: reading them at every step would make a GPU wait for the host.
        loss_sum += batch_loss.detach() * len(y)
        if batch_right is None:
            counted = False
        else:
            right += batch_right
        seen, step = seen + len(y), step + 1
        if not bar.disable and (now := time.perf_counter()) - shown > REFRESH_S:
            shown, speed = now, seen / (now - started)
            bar.set_description(f"epoch {epoch}/{plan.epochs}", refresh=False)
            top1 = f", top-1 {100 * right.item() / seen:.1f}%" if counted else ""
            bar.set_postfix_str(f"loss {loss_sum.item() / seen:.3f}{top1}, {speed:.0f}/s", refresh=False)
        bar.update()
    mean_loss = loss_sum.item() / seen  # waits for the device, so that the time below is the epoch's
    if not math.isfinite(mean_loss) or mean_loss > plan.limit:
        raise Diverged(f"mean training loss {mean_loss}")
    speed = seen / (time.perf_counter() - started)
    entry = {"lr": float(optimizer.param_groups[0]["lr"]), "train_loss": mean_loss, "examples_per_s": speed}
    return entry | ({"train_top1": 100 * right.item() / seen} if counted else {})


def failure(error: BaseException) -> str | None:
    """The reason for a record where `error` is a result of training (divergence, memory), None where it is a fault."""
    if isinstance(error, Diverged):
        return "diverged"
    if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return "out of memory"
    return None


def _line(entry: dict[str, Any], plan: Plan, left_s: float) -> str:
    left = f"{left_s / 60:.0f} min" if left_s >= 90 else f"{left_s:.0f} s"
    top1 = f"top-1 {entry['train_top1']:.2f}%, " if "train_top1" in entry else ""
    return (
        f"epoch {entry['epoch']}/{plan.epochs}: loss {entry['train_loss']:.3f}, {top1}"
        f"{plan.select.replace('_', ' ')} {entry[plan.select]:.2f}%, {entry['examples_per_s']:.0f}/s, {left} left"
    )
