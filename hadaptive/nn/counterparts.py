"""The adaptive cross-Hadamard counterparts of an inverted bottleneck and of a feed-forward layer."""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.ops import Conv2dNormActivation

from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.replaceable import Bottleneck, FeedForward


class SqueezeExcite(nn.Module):
    """Scale each channel by a gate computed from all channels' means, as MobileNetV3: [B, C, H, W] -> the same.

    Not torchvision's SqueezeExcitation: its layers have other names (fc1, fc2), so checkpoints would not load.
    """

    def __init__(self, channels: int, hidden: int, act: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.act = act
        self.expand = nn.Conv2d(hidden, channels, 1)
        self.gate = gate

    def forward(self, x_BCHW: Tensor) -> Tensor:
        mean_BC11 = x_BCHW.mean((2, 3), keepdim=True)
        return x_BCHW * cast(Tensor, self.gate(self.expand(self.act(self.reduce(mean_BC11)))))


def _squeeze_excite(old: Bottleneck, width: int, wanted: bool | None) -> nn.Module:
    shape = old.squeeze_excite
    if wanted is False or (wanted is None and shape is None):
        return nn.Identity()
    if shape is None:
        return SqueezeExcite(width, max(1, width // 4), nn.ReLU(), nn.Hardsigmoid())
    act, gate = copy.deepcopy((shape.act, shape.gate))
    return SqueezeExcite(width, max(1, round(shape.hidden * width / old.width)), act, gate)


def _activation(module: nn.Module | None) -> dict[str, Any]:
    """Return Conv2dNormActivation's arguments for a copy of the activation."""
    return {"activation_layer": None if module is None else lambda: copy.deepcopy(module), "inplace": None}


class AchBottleneck(nn.Module):
    """A bottleneck that ACH expands, in the place of `old`: ACH -> depthwise -> (squeeze-excite) -> 1x1.

    Channels in and out, stride, padding, activations and residual are those of `old`, and its squeeze-excite with the
    same ratio of hidden to outer width. [B, in, H, W] -> [B, out, H', W'].

    Args:
        kernel: of the depthwise convolution, if not that of `old`; space stays, so odd where that is odd.
        squeeze_excite: True adds one (a quarter as wide, ReLU, hard sigmoid) where `old` has none, False leaves it out.
        ach: options of AdaptiveCrossHadamard.
    Raises: ValueError for a kernel of other parity, and what AdaptiveCrossHadamard raises.
    """

    def __init__(
        self, old: Bottleneck, k: int, *, kernel: int | None = None, squeeze_excite: bool | None = None, **ach: Any
    ) -> None:
        super().__init__()
        kernel = old.kernel if kernel is None else kernel
        if kernel < 1 or (kernel - old.kernel) % 2:
            raise ValueError(f"kernel={kernel} in the place of {old.kernel} changes the size; choose one of its parity")
        padding = old.padding + (kernel - old.kernel) // 2 * old.dilation
        self.expansion = AdaptiveCrossHadamard(old.in_channels, k, **ach)
        width = self.expansion.out_channels
        self.depthwise = Conv2dNormActivation(
            width, width, kernel, old.stride, padding, width, dilation=old.dilation, **_activation(old.act)
        )
        self.squeeze_excite = _squeeze_excite(old, width, squeeze_excite)
        self.project = Conv2dNormActivation(width, old.out_channels, 1, **_activation(old.out_act))
        self.drop_path = nn.Identity() if old.drop_path is None else copy.deepcopy(old.drop_path)
        self.residual = old.residual

    def forward(self, x_BCHW: Tensor) -> Tensor:
        y_BCHW: Tensor = self.project(self.squeeze_excite(self.depthwise(self.expansion(x_BCHW))))
        return x_BCHW + cast(Tensor, self.drop_path(y_BCHW)) if self.residual else y_BCHW


class AchFeedForward(nn.Module):
    """A feed-forward layer that ACH widens, in the place of `old`: ACH over channels -> activation -> linear.

    The mixing is a linear layer C -> C (as a 1x1 convolution over the tokens), batch norm is over all tokens, scores
    come from the mean token, and each sample, an entry of the first axis, selects its own k channels for all its tokens
    (section 5.5, Table 8). MobileViT puts the four pixels of a patch into the first axis, so there each of the four
    positions of an image selects for itself. [B, ..., C] -> the same.

    Args:
        patch_area: pixels of a MobileViT patch, 4. Each patch then selects for itself, by the mean of its pixels, as in
            the authors' build, which has the patches in the first axis: [B * patch_area, patches, C] is taken apart.
        ach: options of AdaptiveCrossHadamard.
    Raises: ValueError for a patch_area below 1 and for input that it does not divide, and what AdaptiveCrossHadamard
        raises.
    """

    def __init__(self, old: FeedForward, k: int, *, patch_area: int | None = None, **ach: Any) -> None:
        super().__init__()
        if patch_area is not None and patch_area < 1:
            raise ValueError(f"patch_area={patch_area}: a patch has at least one pixel; MobileViT's have 4")
        self.patch_area = patch_area
        self.expansion = AdaptiveCrossHadamard(old.channels, k, **ach)
        self.act = copy.deepcopy(old.act)
        self.drop1 = nn.Dropout(old.dropout)
        self.fc2 = nn.Linear(self.expansion.out_channels, old.channels)
        self.drop2 = nn.Dropout(old.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x_BTC = x.reshape(x.shape[0], -1, x.shape[-1])
        if self.patch_area is not None:
            return _of_patches(self.fed_forward(_patches(x_BTC, self.patch_area)), self.patch_area, x.shape)
        return self.fed_forward(x_BTC).reshape(x.shape)

    def fed_forward(self, x_BTC: Tensor) -> Tensor:
        """Return the layer on samples of tokens: [B, T, C] -> the same."""
        x_BCT1 = x_BTC.transpose(1, 2).unsqueeze(3)  # no copy: tokens are pixels in channels_last order
        y_BTN = self.expansion(x_BCT1).squeeze(3).transpose(1, 2)
        return cast(Tensor, self.drop2(self.fc2(self.drop1(self.act(y_BTN)))))


def _patches(x_BTC: Tensor, area: int) -> Tensor:
    """MobileViT's tokens [B * area, patches, C] with a patch per sample: [B * patches, area, C]."""
    if x_BTC.shape[0] % area:
        raise ValueError(f"patch_area={area} does not divide the {x_BTC.shape[0]} rows of tokens; MobileViT's has 4")
    BA, patches, C = x_BTC.shape
    return x_BTC.reshape(BA // area, area, patches, C).transpose(1, 2).reshape(-1, area, C)


def _of_patches(y_BTC: Tensor, area: int, shape: torch.Size) -> Tensor:
    """Return the inverse of `_patches`."""
    return y_BTC.reshape(shape[0] // area, -1, area, shape[-1]).transpose(1, 2).reshape(shape)
