"""Blocks of Hadaptive-Net: shapes, residuals, counts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.blocks import AdaptiveBottleneck, ConvNormAct, GhostExpansion


@pytest.mark.parametrize(
    ("kernel", "stride", "expected"), [(5, 1, 9), (1, 1, 9), (2, 1, 9), (4, 1, 9), (2, 2, 4), (3, 2, 5), (7, 2, 5)]
)
def test_stride_one_keeps_space_and_stride_two_halves_it(kernel: int, stride: int, expected: int) -> None:
    block = ConvNormAct(4, 6, kernel, stride)
    assert block(torch.randn(2, 4, 9, 9)).shape == (2, 6, expected, expected)
    assert block[0].kernel_size == (kernel, kernel)
    assert block(torch.randn(2, 4, 8, 8)).shape[-1] == 8 // stride


@pytest.mark.parametrize(("channels", "expansion", "half"), [(8, 4.0, 16), (5, 3.0, 8), (3, 1.0, 2)])
def test_ghost_makes_two_halves(channels: int, expansion: float, half: int) -> None:
    ghost = GhostExpansion(channels, expansion)
    x = torch.randn(2, channels, 5, 5)
    y = ghost(x)
    assert y.shape[1] == ghost.out_channels == 2 * half
    assert sum(p.numel() for p in ghost.parameters()) == half * channels + 9 * half + 4 * half
    ghost.eval()
    primary = ghost.primary(x)
    torch.testing.assert_close(ghost(x), torch.cat((primary, ghost.cheap(primary)), 1))


def test_ghost_without_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="expansion=0"):
        GhostExpansion(8, 0)


@pytest.mark.parametrize(("out", "stride", "residual"), [(8, 1, True), (12, 1, False), (8, 2, False)])
@pytest.mark.parametrize("expansion", [lambda: GhostExpansion(8, 2.0), lambda: AdaptiveCrossHadamard(8, 4)])
def test_bottleneck_adds_its_input_where_it_can(
    expansion: type[nn.Module], out: int, stride: int, residual: bool
) -> None:
    block = AdaptiveBottleneck(8, out, expansion(), 3, stride).eval()
    x = torch.randn(2, 8, 6, 6)
    y = block(x)
    assert y.shape == (2, out, 6 // stride, 6 // stride)
    nn.init.zeros_(block.project[0].weight)  # the branch is now zero
    assert torch.equal(block(x), x if residual else torch.zeros_like(y))
