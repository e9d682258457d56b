"""Memory layouts: which one a tensor has, and the three strides a kernel needs of it."""

from __future__ import annotations

import torch
from torch import Tensor


def memory_format(x_BCHW: Tensor) -> torch.memory_format:
    """Return the output's layout, which is x's: channels_last where channels lie next to each other, else NCHW."""
    if x_BCHW.is_contiguous():
        return torch.contiguous_format
    if x_BCHW.is_contiguous(memory_format=torch.channels_last):
        return torch.channels_last
    _, C, H, W = x_BCHW.shape
    sliced_channels_last = x_BCHW.stride(1) == 1 and C > 1 and H * W > 1
    return torch.channels_last if sliced_channels_last else torch.contiguous_format


def strides(x_BCHW: Tensor) -> tuple[int, int, int]:
    """(sample, channel, pixel) strides in elements, for pixels that are evenly spaced (`is_regular`).

    A dimension of size 1 has a stride that means nothing; the pixel stride is taken from one that does.
    """
    b, c, h, w = x_BCHW.stride()
    _, C, H, W = x_BCHW.shape
    if H * W == 1:
        return b, c, C if c == 1 else 1
    return b, c, w if W > 1 else h


def is_regular(x_BCHW: Tensor) -> bool:
    """Return whether a kernel can read x in place: dense in NCHW or NHWC but for the batch (or pixel) stride."""
    _, C, H, W = x_BCHW.shape
    _, c, pixel = strides(x_BCHW)
    even = H == 1 or W == 1 or x_BCHW.stride(2) == W * x_BCHW.stride(3)
    if memory_format(x_BCHW) == torch.channels_last:
        return even and c == 1 and pixel >= C
    return even and pixel == 1 and c == H * W


def regular(x_BCHW: Tensor) -> Tensor:
    """x itself where a kernel can read it in place, else a dense copy in its own layout."""
    if is_regular(x_BCHW):
        return x_BCHW
    return x_BCHW.clone(memory_format=memory_format(x_BCHW))
