"""Convolutions that oneDNN trains wrongly or very slowly on a CPU, computed otherwise: the same functions.

`StridedPointwise` cures a flaw that corrupts memory, https://github.com/uxlfoundation/oneDNN/issues/6035: "1x1
convolution backward_weights writes past the rtus workspace (nhwc, IC < ic_block)". In channels_last, the backward pass
of such a convolution crashes (AVX2), or overwrites other memory without a word (the same code serves AVX-512). Remove
it once the smallest PyTorch that `pyproject.toml` admits comes with a repaired oneDNN: `tests/nn/test_gradients.py`
passes without it then.

`Depthwise` is for speed alone: where a map is smaller than the kernel, which small images often make it in late layers,
oneDNN has no fast code for the gradient of the weights and took up to half of a training step of MobileNetV3-S.
`hadaptive bench operators` shows what each operator takes.
"""

from __future__ import annotations

import itertools
from typing import Any, TypeVar

import torch
import torch.fx
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)
CHANNEL_BLOCK = 16  # oneDNN's largest block of input channels (AVX-512); with this many or more the flaw cannot strike


class StridedPointwise(nn.Conv2d):
    """A strided 1x1 convolution that, on a CPU, is computed at stride 1 over the pixels that it reads.

    [B, C, H, W] -> [B, C', ceil(H / s), ceil(W / s)], the same function: a 1x1 convolution of stride s reads every s-th
    row and column. At stride 1 oneDNN needs no workspace, so there is none to overflow. Elsewhere it is nn.Conv2d.
    """

    def forward(self, input: Tensor) -> Tensor:
        if isinstance(input, torch.fx.Proxy) or input.device.type != "cpu":
            return super().forward(input)
        rows, columns = self.stride
        return nn.functional.conv2d(input[..., ::rows, ::columns], self.weight, self.bias)


class Depthwise(nn.Conv2d):
    """A depthwise convolution that, in training on a CPU, sums the gradient of its weights itself where maps are small.

    [B, C, H, W] -> [B, C, H', W'], the same function, for maps with fewer rows or columns than the kernel.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or isinstance(input, torch.fx.Proxy):  # a symbolic trace knows no sizes
            return super().forward(input)
        small = input.shape[-2] < self.kernel_size[0] or input.shape[-1] < self.kernel_size[1]
        cpu = input.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        if not (small and cpu and self.weight.requires_grad):
            return super().forward(input)
        output: Tensor = _SummedGradient.apply(input, self.weight, self.bias, self.stride, self.padding)
        return output


class _SummedGradient(torch.autograd.Function):
    """A depthwise convolution; the gradient of its weights is a sum over the map for each place of the kernel."""

    @staticmethod
    def forward(
        ctx: Any, x_BCHW: Tensor, weight_C1KK: Tensor, bias_C: Tensor | None, stride: Any, padding: Any
    ) -> Tensor:
        ctx.save_for_backward(x_BCHW, weight_C1KK)
        ctx.stride, ctx.padding = stride, padding
        return nn.functional.conv2d(x_BCHW, weight_C1KK, bias_C, stride, padding, 1, len(weight_C1KK))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient_BCHW: Tensor) -> tuple[Tensor | None, ...]:
        x_BCHW, weight_C1KK = ctx.saved_tensors
        channels, _, *kernel = weight_C1KK.shape
        of_input, _, of_bias = torch.ops.aten.convolution_backward(
            *(gradient_BCHW, x_BCHW, weight_C1KK, [channels], ctx.stride, ctx.padding, [1, 1], False, [0, 0], channels),
            [ctx.needs_input_grad[0], False, ctx.needs_input_grad[2]],
        )
        of_weight_C1KK = torch.zeros_like(weight_C1KK)
        stride, padding = ctx.stride, ctx.padding
        rows, columns = zip(x_BCHW.shape[2:], gradient_BCHW.shape[2:], stride, strict=True)
        for i, j in itertools.product(*map(range, kernel)):
            read_h, written_h = _overlap(i - padding[0], *rows)
            read_w, written_w = _overlap(j - padding[1], *columns)
            product = x_BCHW[:, :, read_h, read_w] * gradient_BCHW[:, :, written_h, written_w]
            of_weight_C1KK[:, 0, i, j] = product.sum((0, 2, 3))
        return of_input, of_weight_C1KK, of_bias, None, None


def _overlap(offset: int, size: int, out: int, stride: int) -> tuple[slice, slice]:
    """Along one axis: the pixels that a place of the kernel reads, and those that it contributes to."""
    first = max(0, -(offset // stride))  # the first output whose pixel, stride * output + offset, is not padding
    end = max(first, min(out, (size - 1 - offset) // stride + 1))
    start = first * stride + offset
    return slice(start, max(start, (end - 1) * stride + offset + 1), stride), slice(first, end)


def cured(model: M) -> M:
    """`model` itself, with those of its convolutions computed otherwise that oneDNN trains wrongly or may train slowly.

    Only the class of these layers changes: names, parameters and the random numbers that started them stay.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d:
            if _vulnerable(module):
                module.__class__ = StridedPointwise
            elif _depthwise(module):
                module.__class__ = Depthwise
    return model


def _depthwise(conv: nn.Conv2d) -> bool:
    return (
        max(conv.kernel_size) > 1
        and conv.groups == conv.in_channels == conv.out_channels
        and conv.dilation == (1, 1)
        and isinstance(conv.padding, tuple)
        and max(conv.padding) > 0  # without padding no map is smaller than its kernel
        and conv.padding_mode == "zeros"
    )


def _vulnerable(conv: nn.Conv2d) -> bool:
    return (
        conv.kernel_size == (1, 1)
        and max(conv.stride) > 1
        and conv.padding in ((0, 0), "valid")
        and conv.groups == 1
        and conv.in_channels < CHANNEL_BLOCK
    )
