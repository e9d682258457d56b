"""How a channel's score is computed from its mean over space: the input of the selection in an ACH layer.

Every scorer maps mean_BC to scores_BC in the mean's precision, autocast off, and passes the one weight that Algorithm 1
tracks through `watch`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Watch = Callable[[Tensor], Tensor]


class EcaScore(nn.Conv1d):
    """Efficient channel attention without its sigmoid: a 1-D convolution over channels, kernel 5 (eq. 3).

    Eq. 3's bias is left out: one constant added to all scores changes neither the softmax nor the order.
    """

    def __init__(self, channels: int, kernel_size: int = 5) -> None:
        super().__init__(1, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, mean_BC: Tensor, watch: Watch) -> Tensor:  # type: ignore[override]
        weight = watch(self.weight).to(mean_BC.dtype)
        return F.conv1d(mean_BC[:, None], weight, padding=self.padding)[:, 0]


class LearnedScore(nn.Module):
    """One learned score a channel, whatever the input: the ablation without ECA."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))

    def forward(self, mean_BC: Tensor, watch: Watch) -> Tensor:
        return watch(self.weight).to(mean_BC.dtype).expand_as(mean_BC)


class EvaluationScore(nn.Module):
    """The evaluation network of the first version (its eq. 3): C -> C/4, ReLU, C/4 -> C. Tracks the last weight.

    Its released code has ReLU6 in the place of ReLU: `act`.
    """

    def __init__(self, channels: int, act: Callable[[Tensor], Tensor] = F.relu) -> None:
        super().__init__()
        self.act = act
        self.reduce = nn.Linear(channels, max(1, channels // 4))
        self.expand = nn.Linear(max(1, channels // 4), channels)

    def forward(self, mean_BC: Tensor, watch: Watch) -> Tensor:
        dtype = mean_BC.dtype
        hidden = self.act(F.linear(mean_BC, self.reduce.weight.to(dtype), self.reduce.bias.to(dtype)))
        return F.linear(hidden, watch(self.expand.weight).to(dtype), self.expand.bias.to(dtype))


SCORES: dict[str, Callable[[int], nn.Module]] = {
    "eca": EcaScore,
    "learned": LearnedScore,
    "evaluation": EvaluationScore,
    "evaluation_relu6": lambda channels: EvaluationScore(channels, F.relu6),
}
