"""Algebra of convolutions: what can be computed once from weights instead of again for every image."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hadaptive.nn.blocks import ConvNormAct

BLOCK = 16
"""Channels that ONNX Runtime keeps side by side with AVX-512; a multiple of its blocks on other processors."""


def filled(tensor: Tensor, multiple: int = BLOCK, dim: int = 0) -> Tensor:
    """Return zeros appended until the dimension's size is a multiple."""
    shape = list(tensor.shape)
    shape[dim] = -shape[dim] % multiple
    return torch.cat((tensor, tensor.new_zeros(shape)), dim)


def dense(weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0) -> nn.Conv2d:
    """Return the convolution with these weights, [out, in, height, width]."""
    return _convolution(weight, bias, stride, padding, groups=1)


def depthwise(weight: Tensor, bias: Tensor, stride: Any = 1, padding: Any = 0) -> nn.Conv2d:
    """Return the depthwise convolution with these weights, [channels, 1, height, width]."""
    return _convolution(weight, bias, stride, padding, groups=weight.shape[0])


def affine(weight: Tensor, bias: Tensor) -> nn.BatchNorm2d:
    """w x + b a channel, in the one operator there is for it: batch norm of mean 0 and variance 1.

    PyTorch 2.11 refuses eps = 0, so the variance is 1 - eps, and both add up to 1 exactly.
    """
    norm = nn.BatchNorm2d(len(weight), eps=2**-10)
    cast(Tensor, norm.running_var).fill_(1 - norm.eps)
    norm.weight, norm.bias = nn.Parameter(weight), nn.Parameter(bias)
    return norm.eval()


def folded(layer: ConvNormAct) -> nn.Conv2d:
    """Return the layer's convolution with its batch norm in it; the activation is left to the caller."""
    return fuse_conv_bn_eval(cast(nn.Conv2d, layer[0]), cast(nn.BatchNorm2d, layer[1]))


def pointwise(linear: nn.Linear) -> nn.Conv2d:
    """Return a linear layer as 1x1 convolution."""
    return dense(linear.weight[:, :, None, None], linear.bias)


def is_depthwise(conv: nn.Conv2d) -> bool:
    """Return whether every channel is convolved for itself."""
    return 1 < conv.groups == conv.in_channels == conv.out_channels


def composed(first: nn.Conv2d, second: nn.Conv2d) -> nn.Conv2d | None:
    """`second(first(x))` as one convolution, for two dense or two depthwise ones with square strides.

    y[r] = sum_u V[u] sum_i W[i] x[s (t r + u) + i] has stride s t, `first`'s padding, and at n the kernel
    sum_{u, i: s u + i = n} V[u] W[i], which is the transposed convolution of V with W.

    None where `second` pads (its zeros lie where `first` would go on with x and bias), where one is dense and the other
    depthwise, and where the one convolution would multiply more.
    """
    apart = is_depthwise(second)
    if second.padding != (0, 0) or is_depthwise(first) != apart or not (apart or first.groups == second.groups == 1):
        return None
    inner, outer = first.stride[0], second.stride[0]
    if apart:
        turned = second.weight.transpose(0, 1)
        kernel = F.conv_transpose2d(turned, first.weight, stride=inner, groups=second.groups).transpose(0, 1)
    else:
        kernel = F.conv_transpose2d(second.weight, first.weight, stride=inner)
    if kernel.numel() > first.weight.numel() * outer**2 + second.weight.numel():  # multiplications per output pixel
        return None
    constant = torch.zeros(first.out_channels) if first.bias is None else first.bias
    bias = second(constant.to(kernel.dtype)[None, :, None, None].expand(1, -1, *second.kernel_size)).flatten()
    return (depthwise if apart else dense)(kernel, bias, inner * outer, first.padding)


def _convolution(weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, groups: int) -> nn.Conv2d:
    out, inputs, *kernel = weight.shape
    # On the meta device nothing is initialised: no time, no random numbers.
    conv = nn.Conv2d(inputs * groups, out, cast(Any, kernel), stride, padding, groups=groups, device="meta")
    conv.weight = nn.Parameter(weight)
    conv.bias = None if bias is None else nn.Parameter(bias)
    return conv
