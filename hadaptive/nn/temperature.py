"""The temperature of an ACH layer: adaptive by Algorithm 1 (appendix A.1, eq. 7), or trained (first version)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

TAU_MIN, TAU_MAX = 0.01, 4.0
_NO_GRADIENT = -1.0  # the algorithm's NULL; a norm is never negative


class _WatchGradientNorm(torch.autograd.Function):
    """Identity whose backward writes the norm of the gradient that passes into `slot`."""

    @staticmethod
    def forward(weight: Tensor, slot: Tensor) -> Tensor:
        return weight.view_as(weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.slot = inputs[1]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (grad,) = grads
        norm = torch.linalg.vector_norm(grad.detach()).to(ctx.slot.dtype)
        ctx.slot.copy_(torch.where(torch.isfinite(norm), norm, _NO_GRADIENT))
        return grad, None


class Temperature(nn.Module):
    """One temperature, moved by the norm of a weight's gradient from one step to the next (Algorithm 1).

    `watch(weight)` returns the weight unchanged and keeps the norm of its gradient during backward; `step()` is called
    once a training forward and consumes that norm: tau is multiplied by 1 + tau_step where the norm did not shrink, by
    1 - tau_step where it did, and clamped to [0.01, 4.0]. A forward with no backward before it moves nothing.

    The norm is taken in backward, so it does not matter who zeroes gradients and when. It is the norm of one backward's
    own gradient, so under gradient accumulation every micro-batch is a step of the algorithm and its sum is never
    compared with its parts. Under DistributedDataParallel the norm is that of rank 0's gradient before averaging: all
    three buffers are broadcast from rank 0 before every forward, as batch norm's running statistics are, so every rank
    always computes with the same tau. A gradient that is not finite counts as none.

    State, all in `state_dict`: `tau`, `history` (tau_hist; 0 before the first gradient), `grad_norm` (the pending norm;
    -1 for none). None is ever read by the host.
    """

    tau: Tensor
    history: Tensor
    grad_norm: Tensor

    def __init__(self, step: float = 0.01, start: float = TAU_MAX) -> None:
        super().__init__()
        if not 0 <= step < 1:
            raise ValueError(f"tau_step={step}: the relative step of the temperature must lie in [0, 1)")
        if not TAU_MIN <= start <= TAU_MAX:
            raise ValueError(f"tau={start}: the temperature must start within [{TAU_MIN}, {TAU_MAX}]")
        self.relative_step = step
        self.register_buffer("tau", torch.tensor(start))
        self.register_buffer("history", torch.tensor(0.0))
        self.register_buffer("grad_norm", torch.tensor(_NO_GRADIENT))

    def watch(self, weight: Tensor) -> Tensor:
        """Return the weight itself; its gradient's norm is kept for the next `step()`."""
        return _WatchGradientNorm.apply(weight, self.grad_norm)  # type: ignore[no-any-return]

    @torch.no_grad()
    def step(self) -> Tensor:
        """Move tau by the last gradient norm (Algorithm 1) and return it, a scalar that later steps do not change."""
        has_gradient = self.grad_norm >= 0
        moves = has_gradient & (self.history != 0)
        shrank = self.grad_norm < self.history
        moved = torch.where(shrank, self.tau * (1 - self.relative_step), self.tau * (1 + self.relative_step))
        tau = torch.where(moves, moved.clamp(TAU_MIN, TAU_MAX), self.tau)
        self.history.copy_(torch.where(has_gradient, self.grad_norm, self.history))
        self.grad_norm.fill_(_NO_GRADIENT)
        self.tau.copy_(tau)
        return tau

    def extra_repr(self) -> str:
        return f"step={self.relative_step}"


class TrainedTemperature(nn.Module):
    """One temperature that the optimiser trains, as the released code of the first version has it.

    A parameter that starts at 1.8; `step()`, called once a training forward, raises it to 0.1 where an update of the
    optimiser left it below. `tau` is its value in the last training forward, for the record.
    """

    tau: Tensor

    def __init__(self, start: float = 1.8, least: float = 0.1) -> None:
        super().__init__()
        self.least = least
        self.value = nn.Parameter(torch.tensor(start))
        self.register_buffer("tau", torch.tensor(start))

    def watch(self, weight: Tensor) -> Tensor:
        """Return the weight itself: no gradient but the temperature's own moves it."""
        return weight

    def step(self) -> Tensor:
        """Return the temperature, a scalar with a gradient, that later steps do not change."""
        with torch.no_grad():
            self.tau.copy_(self.value.clamp_(min=self.least))
        return self.value.clone()

    def extra_repr(self) -> str:
        return f"least={self.least}"


TEMPERATURES = ("adaptive", "trained")
