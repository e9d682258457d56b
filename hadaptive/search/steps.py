"""The alternation of GDAS: an architecture step on held-out images, then a weight step, each on a path of its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hadaptive.data.batches import Batches
from hadaptive.recipes import SearchRecipe
from hadaptive.search.supernet import SuperNet
from hadaptive.train.classify import Precision


def temperature(epoch: int, recipe: SearchRecipe) -> float:
    """tau of an epoch (1-based) by the recipe's decay (appendix A.1): tau_max in the first, tau_min in the last.

    The paper counts epochs from 0 to E; so E is the number of epochs less one.
    """
    low, high = recipe.tau_min, recipe.tau_max
    part = (epoch - 1) / max(1, recipe.epochs - 1)
    if recipe.tau_decay == "linear":
        return high - (high - low) * part
    if recipe.tau_decay == "exponential":
        return float(high * (low / high) ** part)
    return low + 0.5 * (high - low) * (1 + math.cos(math.pi * part))


class Inputs(NamedTuple):
    """What one step of a search takes besides the targets of its weight step."""

    x_BCHW: Tensor
    held_x_BCHW: Tensor
    held_y_B: Tensor
    tau: float


class SearchBatches:
    """Batches for weights, each with one for the architecture, which start again when they run out."""

    def __init__(self, train: Batches, held_out: Batches, recipe: SearchRecipe) -> None:
        self.train, self.held_out, self.recipe = train, held_out, recipe

    @property
    def steps(self) -> int:
        return self.train.steps

    def epoch(self, number: int) -> Iterator[tuple[Inputs, Tensor]]:
        """Yield an epoch's batches, the same for the same epoch every time, as `fit` asks."""
        tau = temperature(number, self.recipe)
        held = itertools.chain.from_iterable(self.held_out.epoch(1000 * number + turn) for turn in itertools.count())
        for (x_BCHW, y_B), (held_x_BCHW, held_y_B) in zip(self.train.epoch(number), held, strict=False):
            yield Inputs(x_BCHW, held_x_BCHW, held_y_B, tau), y_B


class Alternation:
    """The loss that `fit` minimises over weights; before each, it makes the architecture's own step.

    `optimizer` holds the model's architecture parameters alone; their gradient is clipped to norm `clip`.

    The architecture's step runs the model in evaluation mode. In training mode batch norm makes the loss blind to the
    scale of what it normalises, so a layer whose output meets no shortcut before the next batch norm (rows 4, 10 and 13
    of Table 3) would get no gradient through its gate. Also held-out images then move nothing but the architecture.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, precision: Precision, clip: float) -> None:
        self.optimizer, self.precision, self.clip = optimizer, precision, clip

    def architecture_step(self, supernet: SuperNet, x_BCHW: Tensor, y_B: Tensor, tau: float) -> None:
        """One step of the architecture parameters; weights get no gradient."""
        supernet.eval()
        loss, _ = self.precision.loss(partial(supernet, path=supernet.sample(tau, gated=True)), x_BCHW, y_B)
        (supernet.logits_LC.grad,) = torch.autograd.grad(loss, [supernet.logits_LC])
        supernet.train()
        nn.utils.clip_grad_norm_([supernet.logits_LC], self.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def loss(self, model: nn.Module, inputs: Inputs, y_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean cross-entropy of the weight step's batch along its own path, and how many images are correct."""
        assert isinstance(model, SuperNet)
        self.architecture_step(model, inputs.held_x_BCHW, inputs.held_y_B, inputs.tau)
        return self.precision.loss(partial(model, path=model.sample(inputs.tau, gated=False)), inputs.x_BCHW, y_B)
