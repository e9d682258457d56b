"""The training loop: every Run of every task goes through `fit`, top to bottom.

What varies comes in: the model, an optimiser, batches by epoch, a loss, an evaluation. What never varies is here: the
schedule, checkpoints and bit-for-bit resuming (`state`), divergence as a result, too little memory (`micro_batches`),
several processes (`ranks`), being asked to stop (`stop`), progress, the curve.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from hadaptive import tracking
from hadaptive.errors import Preempted, UserError
from hadaptive.train import ranks
from hadaptive.train.micro_batches import Loss as Loss
from hadaptive.train.micro_batches import MicroBatches
from hadaptive.train.progress import Progress
from hadaptive.train.state import EpochProgress as EpochProgress
from hadaptive.train.state import History as History
from hadaptive.train.state import State, Weights
from hadaptive.train.stop import noticed
from hadaptive.units import duration

AGREE_STEPS = 8  # how often several processes ask each other whether to save


class Batches(Protocol):
    """What training needs of data: its length and one epoch's batches, the same for the same epoch every time.

    A batch is inputs and targets, of whatever type the loss takes; the length of the targets counts the examples.
    Tensors and lists are indexed by example, tuples, mappings and dataclasses hold such (see `micro_batches`).
    """

    @property
    def steps(self) -> int: ...
    def epoch(self, number: int) -> Iterator[tuple[Any, Any]]: ...


@dataclass(frozen=True)
class Schedule:
    """How long to train, at what learning rate, and the mean training loss beyond which it has diverged."""

    epochs: int
    learning_rate: Callable[[int, int], float]  # learning rate of a step (0-based) out of so many
    limit: float
    select: str = "test_top1"  # the metric, in percent, whose highest value marks the best epoch
    clip: float | None = None  # largest norm of all gradients together
    compile: bool | Literal["graphs"] = False  # graphs: replayed as CUDA graphs, without Python between the kernels
    save_s: float = 600.0  # within an epoch the state is saved this often: what a lost machine costs at most


@dataclass(frozen=True)
class Trained:
    """A training's history, the weights after its last finished epoch and after its best one."""

    history: History
    last: Weights
    best: Weights
    parameters: int  # that were trained


class Diverged(Exception):
    """The training loss is not finite, or far beyond chance."""


def fit(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: Batches,
    loss: Loss,
    evaluate: Callable[[nn.Module], dict[str, Any]],
    schedule: Schedule,
    *,
    work: Path,
    device: torch.device,
    beside: Mapping[str, torch.optim.Optimizer] | None = None,
) -> Trained:
    """Train by the schedule, resuming from `work/state.pt` where it exists.

    `beside`: optimisers that the loss itself steps (an architecture search); they are saved and resumed too. Such a
    loss is called once a step, so its batches are not cut to fit into memory.

    `loss(model, x, y)` returns the mean loss of the batch and how many examples it predicts correctly (None where
    nothing can be counted), both on the device. `evaluate(model)` returns the metrics of an epoch. Where memory is too
    small for a batch, training resumes from what was saved last with half as many examples at once and the same steps.
    Raises Preempted after SIGTERM or SIGINT, with all saved, and UserError where the state is damaged beyond use.
    """
    trainee = compiled(model, schedule.compile)
    parallel = ranks.data_parallel(trainee, device)
    state = State(work / "state.pt", model, {"weights": optimizer, **(beside or {})}, device)
    progress, micro_batches = state.resume(), MicroBatches(divisible=not beside)
    if (done := len(state.history.curve)) or progress.steps:
        within = f" and {progress.steps} steps" if progress.steps else ""
        print(f"resumed after epoch {done} of {schedule.epochs}{within}", flush=True)
    with noticed() as asked, Progress(schedule.epochs, train.steps, shown=ranks.is_main_process()) as display:
        while (epoch := len(state.history.curve) + 1) <= schedule.epochs:
            if state.history.micro_batches:
                micro_batches.most = state.history.micro_batches[-1]["examples"]
            display.start_at((epoch - 1) * train.steps + progress.steps)
            started = time.perf_counter()
            trained: dict[str, float] | None = None
            try:
                backward = partial(micro_batches.backward, parallel, loss)
                trained = _epoch(parallel, backward, optimizer, train, schedule, epoch, display, progress, state, asked)
                tested = ranks.broadcast(lambda: evaluate(trainee))
            except (Diverged, RuntimeError) as error:
                if (reason := failure(error)) is None:
                    raise
                gpus = ranks.world_size()
                if gpus > 1 and reason == "out of memory":  # of one process; the others know nothing of it
                    raise UserError(f"out of memory on one of {gpus} GPUs; use more, or one alone") from error
                if trained is not None or reason != "out of memory" or not micro_batches.halve():
                    state.history.status = f"{reason} at epoch {epoch}"
                    break
            else:
                state.finish_epoch({"epoch": epoch, **trained, **tested}, _since(started, progress), schedule.select)
                progress, history = state.new_epoch(), state.history
                tracking.epochs(history.curve)
                left_s = history.wall_s / epoch * (schedule.epochs - epoch)
                display.line(_line(history.last_entry(), schedule, left_s))
                continue
            # here nothing holds on to the failed step any more, and its memory can be used again
            progress = _smaller(state, micro_batches, epoch)
    return Trained(state.history, state.last, state.best, sum(p.numel() for p in model.parameters() if p.requires_grad))


def compiled(model: nn.Module, how: bool | Literal["graphs"]) -> nn.Module:
    """Return the model as a recipe's `compile` asks for it: as it is, compiled, or compiled into CUDA graphs."""
    if not how:
        return model
    module: nn.Module = torch.compile(model, mode="reduce-overhead" if how == "graphs" else None)  # type: ignore[assignment]
    return module


def _running(progress: EpochProgress, started: float) -> str:
    """Return loss, top-1 and speed of the epoch so far, in words. Waits for the device."""
    top1 = f", top-1 {100 * progress.correct.item() / progress.seen:.1f}%" if progress.counted else ""
    mean_loss = progress.loss_sum.item() / progress.seen
    return f"loss {mean_loss:.3f}{top1}, {progress.seen / _since(started, progress):.0f}/s"


def _smaller(state: State, micro_batches: MicroBatches, epoch: int) -> EpochProgress:
    """Go back to what was saved last, and resume from it with smaller micro-batches."""
    torch.cuda.empty_cache()
    progress, examples = state.resume(), micro_batches.most
    assert examples is not None
    state.history.micro_batches.append({"epoch": epoch, "examples": examples})
    state.save(progress)
    print(f"out of memory in epoch {epoch}: again with {examples} examples at once, the batch as before", flush=True)
    return progress


def _epoch(
    model: nn.Module,
    backward: Callable[[Any, Any], tuple[Tensor, Tensor | None]],
    optimizer: torch.optim.Optimizer,
    train: Batches,
    schedule: Schedule,
    epoch: int,
    display: Progress,
    progress: EpochProgress,
    state: State,
    asked: Callable[[], bool],
) -> dict[str, float]:
    """Train on what is left of the epoch; return the last learning rate, mean loss, top-1 (percent) where counted, and
    examples/s."""
    model.train()
    before, steps = (epoch - 1) * train.steps, schedule.epochs * train.steps
    started = time.perf_counter()
    if progress.steps == 0:
        state.restore_rng()
    for x, y in islice(train.epoch(epoch), progress.steps, None) if progress.steps < train.steps else ():
        state.restore_rng()  # not before: what was saved within the epoch had its data open already
        for group in optimizer.param_groups:
            group["lr"] = schedule.learning_rate(before + progress.steps, steps)
        batch_loss, batch_correct = backward(x, y)
        if schedule.clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), schedule.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        # Sums stay on the device: reading them at every step would make a GPU wait for the host.
        progress.loss_sum += batch_loss
        if batch_correct is None:
            progress.counted = False
        else:
            progress.correct += batch_correct
        progress.seen, progress.steps = progress.seen + len(y), progress.steps + 1
        display.update(epoch, progress.steps, lambda: _running(progress, started))
        if ranks.world_size() == 1 or progress.steps % AGREE_STEPS == 0:
            wish = 2 if asked() else int(time.monotonic() - state.saved_at > schedule.save_s)
            if wish := ranks.all_reduce_max(wish):
                state.save(replace(progress, seconds=_since(started, progress)))
            if wish == 2:
                raise Preempted(f"stopped after step {progress.steps} of epoch {epoch}, which is saved")
    state.restore_rng()
    loss_sum, correct = progress.loss_sum.clone(), progress.correct.clone()
    ranks.all_reduce_sum(loss_sum, correct)
    mean_loss = loss_sum.item() / progress.seen  # waits for the device, so that the time below is the epoch's
    if not math.isfinite(mean_loss) or mean_loss > schedule.limit:
        raise Diverged(f"mean training loss {mean_loss}")
    speed = progress.seen / _since(started, progress)
    entry = {"lr": float(optimizer.param_groups[0]["lr"]), "train_loss": mean_loss, "examples_per_s": speed}
    return entry | ({"train_top1": 100 * correct.item() / progress.seen} if progress.counted else {})


def _since(started: float, progress: EpochProgress) -> float:
    """Return the seconds of an epoch: of this process since `started`, and of those before it."""
    return progress.seconds + time.perf_counter() - started


def failure(error: BaseException) -> str | None:
    """Return the status for a record where `error` is a result of training (divergence, memory), None otherwise."""
    if isinstance(error, Diverged):
        return "diverged"
    if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return "out of memory"
    return None


def _line(entry: dict[str, Any], schedule: Schedule, left_s: float) -> str:
    top1, select = f"top-1 {entry['train_top1']:.2f}%, " if "train_top1" in entry else "", schedule.select
    return (
        f"epoch {entry['epoch']}/{schedule.epochs}: loss {entry['train_loss']:.3f}, {top1}"
        f"{select.replace('_', ' ')} {entry[select]:.2f}%, {entry['examples_per_s']:.0f}/s, {duration(left_s)} left"
    )
