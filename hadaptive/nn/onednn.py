"""A cure for a flaw in oneDNN that corrupts memory when a strided 1x1 convolution of few channels is trained on a CPU.

https://github.com/uxlfoundation/oneDNN/issues/6035: "1x1 convolution backward_weights writes past the rtus workspace
(nhwc, IC < ic_block)". In channels_last, the backward pass of such a convolution crashes (AVX2), or overwrites other
memory without a word (the same code serves AVX-512). Remove this module, and its three uses, once the smallest PyTorch
that `pyproject.toml` admits comes with a repaired oneDNN: `tests/nn/test_gradients.py` passes without it then.
"""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)
CHANNEL_BLOCK = 16  # oneDNN's largest block of input channels (AVX-512); with this many or more the flaw cannot strike


class StridedPointwise(nn.Conv2d):
    """A strided 1x1 convolution that, on a CPU, is computed at stride 1 over the pixels that it reads.

    [B, C, H, W] -> [B, C', ceil(H / s), ceil(W / s)], the same function: a 1x1 convolution of stride s reads every s-th
    row and column. At stride 1 oneDNN needs no workspace, so there is none to overflow. Elsewhere it is nn.Conv2d.
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.device.type != "cpu":
            return super().forward(input)
        rows, columns = self.stride
        return nn.functional.conv2d(input[..., ::rows, ::columns], self.weight, self.bias)


def cured(model: M) -> M:
    """`model` itself, with exactly those of its convolutions that the flaw can strike computed as StridedPointwise.

    Only the class of these layers changes: names, parameters and the random numbers that started them stay.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d and _vulnerable(module):
            module.__class__ = StridedPointwise
    return model


def _vulnerable(conv: nn.Conv2d) -> bool:
    return (
        conv.kernel_size == (1, 1)
        and max(conv.stride) > 1
        and conv.padding in ((0, 0), "valid")
        and conv.groups == 1
        and conv.in_channels < CHANNEL_BLOCK
    )
