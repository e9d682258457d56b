"""What it costs to expand m channels to n, counted on modules: pointwise convolution, Ghost, ACH (Figures 5 and 6)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from torch import Tensor, nn

from hadaptive.measure.complexity import complexity
from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.blocks import ConvNormAct, GhostExpansion
from hadaptive.record import envelope
from hadaptive.run import Measure

COUNTS = ("macs", "hadamard_products", "macs_with_hadamard", "flops", "flops_all")  # see `complexity`


def record(measure: Measure) -> dict[str, Any]:
    """Make the record of the measure: a list of points over `channels` and one over `ratios` (see `point`)."""
    settings = measure.settings
    size = settings["image_size"]
    metrics = {
        "channels": [point(channels, settings["ratio"], size) for channels in settings["channels"]],
        "ratios": [point(settings["fixed_channels"], ratio, size) for ratio in settings["ratios"]],
    }
    return envelope(measure, metrics)


def chosen(channels: int, ratio: float) -> int:
    """Find the k whose products bring `channels` nearest to `ratio` times their number; ValueError without one.

    ACH's widths are m + k(k-1)/2, so a ratio is met to about k/2 channels.
    """
    wanted = (ratio - 1) * channels
    k = min(range(2, channels + 1), key=lambda k: abs(k * (k - 1) / 2 - wanted))
    if abs(k * (k - 1) / 2 - wanted) > (k + 1) / 2:
        raise ValueError(f"no k expands {channels} channels about {ratio} times; choose a ratio nearer to 1")
    return k


def point(channels: int, ratio: float, image_size: int) -> dict[str, Any]:
    """Return every way of expanding `channels` by the ratio that ACH comes nearest to; each says its own width `n`.

    A Ghost module's width is even, so its n may be one more. `s` is the number of its channels that are convolved.
    """
    ach = AdaptiveCrossHadamard(channels, chosen(channels, ratio))
    n = ach.out_channels
    ghost = GhostExpansion(channels, Fraction(n, channels))
    cheap: Any = ghost.cheap[0]
    return {
        "channels": channels,
        "ratio": ratio,
        "pointwise": {"n": n, **_counts(ConvNormAct(channels, n), channels, image_size)},
        "ghost": {
            "n": ghost.out_channels,
            "s": ghost.out_channels // 2,
            "kernel": cheap.kernel_size[0],
            **_counts(ghost, channels, image_size),
        },
        "ach": {"n": n, "k": ach.k, **_counts(ach, channels, image_size)},
    }


def _counts(module: nn.Module, channels: int, image_size: int) -> dict[str, int]:
    counts = complexity(nn.Sequential(_Channels(channels), module), image_size)
    return {name: counts[name] for name in COUNTS}


class _Channels(nn.Module):
    """A view of an image as if it had that many channels: `complexity` counts on images, and a view costs nothing."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW[:, :1].expand(-1, self.channels, -1, -1)
