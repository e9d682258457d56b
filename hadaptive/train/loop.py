"""The training loop: every Run of every task goes through `fit`, top to bottom.

What varies comes in: the model, an optimiser, batches by epoch, a loss, an evaluation. What never varies is here: the
schedule, checkpoints and bit-for-bit resuming (`state`), divergence as a result, too little memory (`pieces`),
several processes (`ranks`), being asked to stop (`stop`), progress, the curve.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import nn
from tqdm import tqdm

from hadaptive.errors import Preempted, UserError
from hadaptive.train import ranks
from hadaptive.train.pieces import Loss as Loss
from hadaptive.train.pieces import Pieces
from hadaptive.train.state import Begun as Begun
from hadaptive.train.state import History as History
from hadaptive.train.state import State, Weights
from hadaptive.train.stop import noticed

REFRESH_S = 0.5  # how often the bar reads the running sums, and so waits for the device
AGREE_STEPS = 8  # how often several processes ask each other whether to save


class Batches(Protocol):
    """What training needs of data: its length and one epoch's batches, the same for the same epoch every time.

    A batch is inputs and targets, of whatever type the loss takes; the length of the targets counts the examples.
    Tensors and lists are indexed by example, tuples, mappings and dataclasses hold such (see `pieces`).
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
    plan: Plan,
    *,
    work: Path,
    device: torch.device,
    beside: Mapping[str, torch.optim.Optimizer] | None = None,
) -> Trained:
    """Train as planned, resuming from `work/state.pt` where it exists.

    `beside`: optimisers that the loss itself steps (an architecture search); they are saved and resumed too. Such a
    loss is called once a step, so its batches are not cut to fit into memory.

    `loss(model, x, y)` returns the mean loss of the batch and how many it predicts right (None where nothing can be
    counted), both on the device. `evaluate(model)` returns the metrics of an epoch. Where memory is too small for a
    batch, training goes on from what was saved last with half as many examples at once and the same steps.
    Raises Preempted after SIGTERM or SIGINT, with all saved, and UserError where the state is damaged beyond use.
    """
    net = compiled(model, plan.compile)
    spread = ranks.wrapped(net, device)
    state = State(work / "state.pt", model, {"weights": optimizer, **(beside or {})}, device)
    begun, pieces = state.resume(), Pieces(divisible=not beside)
    if (done := len(state.history.curve)) or begun.steps:
        within = f" and {begun.steps} steps" if begun.steps else ""
        print(f"resumed after epoch {done} of {plan.epochs}{within}", flush=True)
    steps = plan.epochs * train.steps
    with (
        noticed() as asked,
        tqdm(total=steps, disable=None if ranks.first() else True, unit="step", dynamic_ncols=True) as bar,
    ):
        while (epoch := len(state.history.curve) + 1) <= plan.epochs:
            if state.history.micro_batches:
                pieces.most = state.history.micro_batches[-1]["examples"]
            bar.n, started = (epoch - 1) * train.steps + begun.steps, time.perf_counter()
            trained: dict[str, float] | None = None
            try:
                trained = _epoch(
                    spread,
                    optimizer,
                    train,
                    loss,
                    plan,
                    epoch,
                    device,
                    bar,
                    begun=begun,
                    pieces=pieces,
                    state=state,
                    asked=asked,
                )
                tested = ranks.from_first(lambda: evaluate(net))
            except (Diverged, RuntimeError) as error:
                if (reason := failure(error)) is None:
                    raise
                if ranks.count() > 1 and reason == "out of memory":  # of one process; the others know nothing of it
                    raise UserError(f"out of memory on one of {ranks.count()} GPUs; use more, or one alone") from error
                if trained is not None or reason != "out of memory" or not pieces.halve():
                    state.history.status = f"{reason} at epoch {epoch}"
                    break
            else:
                state.epoch_done({"epoch": epoch, **trained, **tested}, _since(started, begun), plan.select)
                begun, history = state.fresh(), state.history
                with bar.external_write_mode() if ranks.first() else nullcontext():
                    left_s = history.wall_s / epoch * (plan.epochs - epoch)
                    if ranks.first():
                        print(_line(history.ending(), plan, left_s), flush=True)
                continue
            # here nothing holds on to the failed step any more, and its memory can be used again
            begun = _smaller(state, pieces, epoch)
    return Trained(state.history, state.last, state.best, sum(p.numel() for p in model.parameters() if p.requires_grad))


def compiled(model: nn.Module, how: bool | Literal["graphs"]) -> nn.Module:
    """Return the model as a recipe's `compile` asks for it: as it is, compiled, or compiled into CUDA graphs."""
    if not how:
        return model
    net: nn.Module = torch.compile(model, mode="reduce-overhead" if how == "graphs" else None)  # type: ignore[assignment]
    return net


def _smaller(state: State, pieces: Pieces, epoch: int) -> Begun:
    """Back to what was saved last, to go on from it with smaller pieces of a batch."""
    torch.cuda.empty_cache()
    begun, examples = state.resume(), pieces.most
    assert examples is not None
    state.history.micro_batches.append({"epoch": epoch, "examples": examples})
    state.save(begun)
    print(f"out of memory in epoch {epoch}: again with {examples} examples at once, the batch as before", flush=True)
    return begun


def _epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: Batches,
    loss: Loss,
    plan: Plan,
    epoch: int,
    device: torch.device,
    bar: tqdm[Any],
    *,
    begun: Begun,
    pieces: Pieces,
    state: State,
    asked: Callable[[], bool],
) -> dict[str, float]:
    """One pass over the training data, what of it is not done yet: last learning rate, mean loss, top-1 in percent
    where counted, examples/s."""
    model.train()
    before, steps = (epoch - 1) * train.steps, plan.epochs * train.steps
    started = shown = time.perf_counter()
    if begun.steps == 0:
        state.noise_again()
    for x, y in islice(train.epoch(epoch), begun.steps, None) if begun.steps < train.steps else ():
        state.noise_again()  # not before: what was saved within the epoch had its data open already
        for group in optimizer.param_groups:
            group["lr"] = plan.schedule(before + begun.steps, steps)
        batch_loss, batch_right = pieces.backward(model, loss, x, y)
        if plan.clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        # Sums stay on the device: reading them at every step would make a GPU wait for the host.
        begun.loss_sum += batch_loss
        if batch_right is None:
            begun.counted = False
        else:
            begun.right += batch_right
        begun.seen, begun.steps = begun.seen + len(y), begun.steps + 1
        if not bar.disable and (now := time.perf_counter()) - shown > REFRESH_S:
            shown, speed = now, begun.seen / _since(started, begun)
            bar.set_description(f"epoch {epoch}/{plan.epochs}", refresh=False)
            top1 = f", top-1 {100 * begun.right.item() / begun.seen:.1f}%" if begun.counted else ""
            bar.set_postfix_str(f"loss {begun.loss_sum.item() / begun.seen:.3f}{top1}, {speed:.0f}/s", refresh=False)
        bar.update()
        if ranks.count() == 1 or begun.steps % AGREE_STEPS == 0:
            wish = 2 if asked() else int(time.monotonic() - state.saved_at > plan.save_s)
            if wish := ranks.highest(wish):
                state.save(replace(begun, seconds=_since(started, begun)))
            if wish == 2:
                raise Preempted(f"stopped after step {begun.steps} of epoch {epoch}, which is saved")
    state.noise_again()
    loss_sum, right = begun.loss_sum.clone(), begun.right.clone()
    ranks.add_up(loss_sum, right)
    mean_loss = loss_sum.item() / begun.seen  # waits for the device, so that the time below is the epoch's
    if not math.isfinite(mean_loss) or mean_loss > plan.limit:
        raise Diverged(f"mean training loss {mean_loss}")
    speed = begun.seen / _since(started, begun)
    entry = {"lr": float(optimizer.param_groups[0]["lr"]), "train_loss": mean_loss, "examples_per_s": speed}
    return entry | ({"train_top1": 100 * right.item() / begun.seen} if begun.counted else {})


def _since(started: float, begun: Begun) -> float:
    """Seconds of an epoch: of this process since `started`, and of those before it."""
    return begun.seconds + time.perf_counter() - started


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
