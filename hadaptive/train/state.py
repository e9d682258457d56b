"""Where a training stands, in memory and on disk: what is saved after an epoch, and within a long one."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hadaptive.train import checkpoint, ranks
from hadaptive.train.outcomes import NAME

Weights = dict[str, Any]


@dataclass
class History:
    """What a training leaves behind: one entry per epoch, how it ended, how long it took."""

    status: str = "done"
    curve: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    wall_s: float = 0.0
    micro_batches: list[dict[str, int]] = field(default_factory=list)  # {"epoch", "examples"}: cut so from then on
    outcomes: dict[str, Any] | None = None  # which test examples were right after the last finished epoch

    def last_entry(self) -> dict[str, Any]:
        """Return the last finished epoch's entry, empty if none finished."""
        return self.curve[-1] if self.curve else {}

    def best_entry(self) -> dict[str, Any]:
        """Return the best epoch's entry, empty if none finished."""
        return self.curve[self.best_epoch - 1] if self.best_epoch else {}


@dataclass
class EpochProgress:
    """An epoch under way: the steps taken, and the sums its entry is made of, which stay on the device."""

    loss_sum: Tensor
    correct: Tensor
    counted: bool = True
    seen: int = 0  # examples
    steps: int = 0
    seconds: float = 0.0  # that it took in processes before this one


class State:
    """A training's model, optimisers and history, the weights of its last finished and best epoch, and their file."""

    def __init__(
        self, file: Path, model: nn.Module, optimizers: Mapping[str, torch.optim.Optimizer], device: torch.device
    ) -> None:
        self.file, self.model, self.optimizers, self.device = file, model, optimizers, device
        self.history = History()
        self.last = self.best = checkpoint.weights(model)
        self.saved_at = time.monotonic()
        self._rng: dict[str, Any] | None = None
        self._start: dict[str, Any] = {"model": self.last, "last": self.last, "best": self.best}
        self._start |= {"optimizers": self._optimizers(), "rng": ranks.all_gather(checkpoint.rng_state(device))}
        self._start["progress"] = []

    def _optimizers(self) -> dict[str, Any]:
        return {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}

    def new_epoch(self) -> EpochProgress:
        """Return an epoch of which nothing is done yet."""
        zero = torch.zeros((), device=self.device)
        return EpochProgress(zero.clone(), zero.clone())

    def resume(self) -> EpochProgress:
        """Go to what was saved last, or to the start where nothing was; returns the epoch under way.

        A state that is damaged or of another training is named, and the one before it is taken.
        The generators of random numbers are put back by `restore_rng`: opening the data may draw from them.
        """
        state = checkpoint.newest(self.file, self.device, self._mismatch) or {**self._start, "history": vars(History())}
        self.model.load_state_dict(state["model"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
            optimizer.zero_grad(set_to_none=True)
        self.history, self.last, self.best = History(**state["history"]), state["last"], state["best"]
        self._rng = state["rng"][min(ranks.rank(), len(state["rng"]) - 1)]
        self.saved_at = time.monotonic()
        return self._own_progress([EpochProgress(**progress) for progress in state["progress"]])

    def _mismatch(self, state: Any) -> str | None:
        """Return why a saved state cannot be this training's, None where it can."""
        needed = {*self._start, "history"}
        if not isinstance(state, dict):
            return f"it holds {type(state).__name__}"
        if lost := sorted(needed - state.keys()):
            return f"{lost[0]} is missing"
        for part in ("model", "last", "best"):
            if wrong := checkpoint.weights_mismatch(state[part], self._start["model"]):
                return f"{part}: {wrong}"
        try:
            for name, optimizer in self.optimizers.items():
                _fits(state["optimizers"][name], optimizer)
            history = History(**state["history"])
            assert history.best_epoch <= len(history.curve), "the best epoch is none of the curve's"
            for progress in state["progress"]:
                assert EpochProgress(**progress).loss_sum.shape == ()
            random.Random().setstate((state["rng"][0]["python"][0], tuple(state["rng"][0]["python"][1]), None))
            torch.Generator().set_state(state["rng"][0]["torch"].cpu())
        except Exception as error:  # of values of any type, almost anything
            return f"{type(error).__name__}: {error}"
        return None

    def _own_progress(self, saved: list[EpochProgress]) -> EpochProgress:
        """Return this process's progress; if the number of processes changed, rank 0 takes the whole of it."""
        if not saved:
            return self.new_epoch()
        if len(saved) == ranks.world_size():
            return saved[ranks.rank()]
        progress = replace(self.new_epoch(), counted=saved[0].counted, seen=saved[0].seen, steps=saved[0].steps)
        for other in saved if ranks.is_main_process() else []:
            progress.loss_sum += other.loss_sum
            progress.correct += other.correct
        return replace(progress, seconds=saved[0].seconds)

    def restore_rng(self) -> None:
        """Restore the saved RNG state; do nothing where the training was not just resumed."""
        if self._rng is not None:
            checkpoint.restore_rng(self._rng, self.device)
            self._rng = None

    def finish_epoch(self, entry: dict[str, Any], seconds: float, select: str) -> None:
        """Add an epoch's entry to the history, keep its weights, and the best by the metric `select`; save."""
        history = self.history
        history.outcomes = entry.pop(NAME, None)  # of the last epoch alone: the curve stays short
        history.curve.append(entry)
        history.wall_s += seconds
        self.last = checkpoint.weights(self.model)
        if history.best_epoch == 0 or entry[select] > history.best_entry()[select]:
            history.best_epoch, self.best = entry["epoch"], self.last
        self.save(None)

    def save(self, progress: EpochProgress | None) -> None:
        """Save between two epochs (`progress` None) or within one."""
        rng = ranks.all_gather(self._rng or checkpoint.rng_state(self.device))
        under_way = []
        if progress is not None:
            sums = {"loss_sum": progress.loss_sum.cpu(), "correct": progress.correct.cpu()}
            under_way = ranks.all_gather({**vars(progress), **sums})
        if ranks.is_main_process():
            model = self.last if progress is None else checkpoint.weights(self.model)
            parts = {"model": model, "last": self.last, "best": self.best, "optimizers": self._optimizers()}
            state = {**parts, "history": vars(self.history), "rng": rng, "progress": under_way}
            checkpoint.save(self.file, state, keep_previous=True)
        self.saved_at = time.monotonic()


def _fits(state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> None:
    """Raise ValueError, KeyError, ... unless `state` is of this optimiser: of as many parameters, and their shapes."""
    own = optimizer.state_dict()["param_groups"]
    if [len(group["params"]) for group in state["param_groups"]] != [len(group["params"]) for group in own]:
        raise ValueError("the optimiser has other parameters")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, values in state["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape not in ((), parameters[number].shape):
                raise ValueError(f"the optimiser's {name} of parameter {number} has shape {list(value.shape)}")
