"""The blocks of Hadaptive-Net (appendix A.3): convolution, Ghost module, adaptive bottleneck."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torchvision.ops import Conv2dNormActivation


class ConvNormAct(Conv2dNormActivation):  # type: ignore[misc]  # torchvision has no types
    """Convolution without bias, batch norm, and hardswish if `act`: [B, in, H, W] -> [B, out, H', W'].

    At stride 1 space is kept; at stride 2 H' = floor(H / 2) for an even kernel and ceil(H / 2) for an odd one.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        act: bool = True,
    ) -> None:
        padding = "same" if kernel % 2 == 0 and stride == 1 else None  # None: (kernel - 1) // 2
        activation = nn.Hardswish if act else None
        shape = (in_channels, out_channels, kernel, stride, padding)
        super().__init__(*shape, groups=groups, activation_layer=activation, inplace=None)


class GhostExpansion(nn.Module):
    """Expand C channels to 2 ceil(e C / 2): half by 1x1 convolution, half by a depthwise 3x3 on those (GhostNet).

    [B, C, H, W] -> [B, out_channels, H, W]. Raises ValueError for an expansion that leaves no channel.
    """

    def __init__(self, channels: int, expansion: float | Fraction) -> None:
        super().__init__()
        half = math.ceil(expansion * channels / 2)
        if half < 1:
            raise ValueError(f"expansion={expansion} of {channels} channels leaves none; choose an expansion above 0")
        self.out_channels = 2 * half
        self.primary = ConvNormAct(channels, half)
        self.cheap = ConvNormAct(half, half, 3, groups=half, act=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        primary = self.primary(x_BCHW)
        return torch.cat((primary, self.cheap(primary)), 1)


class Expansion(Protocol):
    """A module that widens channels and keeps space: GhostExpansion, AdaptiveCrossHadamard."""

    out_channels: int


class AdaptiveBottleneck(nn.Module):
    """Expansion, depthwise convolution with hardswish, 1x1 projection without activation (appendix A.3).

    `expansion` is any module from [B, in, H, W] to [B, expansion.out_channels, H, W]; that is what adapts. The input is
    added to the output where stride is 1 and channels agree. [B, in, H, W] -> [B, out, H', W'].
    """

    def __init__(self, in_channels: int, out_channels: int, expansion: nn.Module, kernel: int, stride: int = 1) -> None:
        super().__init__()
        width = cast(Expansion, expansion).out_channels
        self.expansion = expansion
        self.depthwise = ConvNormAct(width, width, kernel, stride, groups=width)
        self.project = ConvNormAct(width, out_channels, act=False)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x_BCHW: Tensor) -> Tensor:
        y_BCHW: Tensor = self.project(self.depthwise(self.expansion(x_BCHW)))
        return x_BCHW + y_BCHW if self.residual else y_BCHW
