"""A model with ACH rewritten for inference: the same function, in fewer operators and in shapes that run fast on a CPU.

Each rewrite is an equality of exact arithmetic; the tests hold it in float64.

* Batch norm goes into the convolution before it: both are affine.
* alpha goes ahead of the product (eq. 11). With s = sqrt|alpha|: f(alpha z_i z_j) = f(sign(alpha) (s z_i)(s z_j)), and
  f - f(0) is odd for every activation, so f(sign u) = (1 - sign) f(0) + sign f(u). s goes into the weights before the
  selection, 1/s into the depthwise weights after it, sign and (1 - sign) f(0) into w and b; alpha = 0: s = 1, sign = 0.
* w f + b is one operator, a batch norm of mean 0 and variance 1. It goes into the depthwise convolution where that does
  not pad. Where it pads with zeros, b adds less to its output at the border than inside, which no bias can say.
* Both parts of an expansion (x and products; Ghost's two halves) go their own way through the depthwise convolution,
  which mixes no channels, and meet in the sum of their projections, W [a; b] = W_a a + W_b b: nothing is concatenated.
* Two convolutions with nothing between are one, where the second does not pad and it multiplies less (`composed`):
  Ghost's cheap half at stride 2 becomes one depthwise 4x4, Hadaptive-Net's first two layers one 4x4 at stride 4.
* A part's channels are filled to a multiple of 16 by zero weights, products by pairs whose weights are zero. ONNX
  Runtime's fast depthwise convolution computes blocks of 16; channels that are no multiple of 4 (M's 822, L's 886) go
  to one that took over ten times as long.
* Both channels of every pair are gathered from x itself. Linear layers on a pooled map are 1x1 convolutions.

Shape suffixes: B samples, C channels, K selected, P pairs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hadaptive.measure.convolutions import BLOCK, affine, composed, dense, depthwise, filled, folded, pointwise
from hadaptive.measure.inference import inference_form
from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.blocks import AdaptiveBottleneck, ConvNormAct, GhostExpansion
from hadaptive.nn.hadaptive_net import HadaptiveNet
from hadaptive.nn.norms import DynamicActivation, DySoft
from hadaptive.nn.scores import EcaScore
from kernels.reference import pairs


def fast_form(model: nn.Module) -> nn.Module:
    """Rewrite the inference form of `model` (a copy, on the CPU): the same function up to rounding, dtype kept.

    Rewrites AdaptiveBottleneck, AdaptiveCrossHadamard, ConvNormAct after ConvNormAct, and HadaptiveNet, wherever they
    lie in `model`. Subclasses, what has no such form (CrossHadaNorm, products of unnormalised channels, ACH without 1x1
    convolution) and everything else stay as they are.
    """
    dtype = next(model.parameters()).dtype
    with torch.no_grad():  # weights are folded in float64, and rounded once
        return _rewritten(inference_form(model).double()).to(dtype).eval().requires_grad_(False)


def softsign(u: Tensor) -> Tensor:
    """u / (1 + |u|): one operator in ONNX, where PyTorch's decomposition has three."""
    if torch.onnx.is_in_onnx_export():
        one: Tensor = torch.onnx.ops.symbolic("Softsign", (u,), dtype=u.dtype, shape=u.shape, version=18)
        return one
    return F.softsign(u)


def pool(x_BCHW: Tensor) -> Tensor:
    """Average over space, [B, C, 1, 1], by a pooling, which ONNX Runtime does in its blocked layout, unlike a mean."""
    return F.avg_pool2d(x_BCHW, x_BCHW.shape[-2:])


def gather(x_BCHW: Tensor, index_BK: Tensor, rank_P: Tensor) -> Tensor:
    """Of each sample the channels with these ranks in its selection: [B, C, H, W] -> [B, P, H, W]."""
    if x_BCHW.shape[0] == 1:
        return x_BCHW.index_select(1, index_BK.flatten().index_select(0, rank_P))
    B, C, H, W = x_BCHW.shape
    row_BP = index_BK.index_select(1, rank_P) + C * torch.arange(B, device=x_BCHW.device)[:, None]
    return x_BCHW.reshape(B * C, H, W).index_select(0, row_BP.flatten()).view(B, -1, H, W)


class Normaliser(NamedTuple):
    """What an ACH layer does to the products of channels that were multiplied by `scale`: w activation + b."""

    scale: float
    activation: Callable[[Tensor], Tensor]
    weight_P: Tensor | None = None
    bias_P: Tensor | None = None

    @classmethod
    def of(cls, ach: AdaptiveCrossHadamard) -> Normaliser | None:
        """None for a layer that has no fast form."""
        norm = ach.norm
        if not isinstance(ach.pointwise, nn.Conv2d) or ach.product_of != "normalised":
            return None
        if isinstance(norm, DynamicActivation):
            alpha, at_zero = float(norm.alpha), norm.activation(torch.zeros_like(norm.alpha))
            sign = (alpha > 0) - (alpha < 0)
            activation = softsign if isinstance(norm, DySoft) else norm.activation
            bias_P = norm.bias + (1 - sign) * at_zero * norm.weight
            return cls(abs(alpha) ** 0.5 or 1.0, activation, sign * norm.weight, bias_P)
        if isinstance(norm, nn.BatchNorm2d):
            weight_P = norm.weight * (cast(Tensor, norm.running_var) + norm.eps).rsqrt()
            return cls(1.0, nn.Identity(), weight_P, norm.bias - cast(Tensor, norm.running_mean) * weight_P)
        return cls(1.0, nn.Identity()) if isinstance(norm, nn.Identity) else None


class CrossHadamardParts(nn.Module):
    """ACH without its concatenation: [B, C, H, W] -> (scale * x, w activation + b), channels filled to `multiple`s."""

    i: Tensor
    j: Tensor

    def __init__(self, ach: AdaptiveCrossHadamard, normaliser: Normaliser, multiple: int = BLOCK) -> None:
        super().__init__()
        scale, self.activation, weight_P, bias_P = normaliser
        self.k, self.channels = ach.k, ach.channels
        mix = fuse_conv_bn_eval(cast(nn.Conv2d, ach.pointwise), ach.bn)
        self.mix = dense(filled(scale * mix.weight, multiple), filled(scale * cast(Tensor, mix.bias), multiple))
        self.score = copy.deepcopy(ach.score)
        # A score that is linear in the means ranks scaled means alike; any other is given the means themselves.
        self.unscale = 1.0 if isinstance(ach.score, EcaScore) else 1 / scale
        i, j = pairs(ach.k)
        missing = -len(i) % multiple
        self.register_buffer("i", F.pad(i, (0, missing), value=0))
        self.register_buffer("j", F.pad(j, (0, missing), value=1))
        self.last: nn.Module = nn.Identity()
        if weight_P is not None and bias_P is not None:
            self.last = affine(filled(weight_P, multiple), filled(bias_P, multiple))

    def select(self, x_BCHW: Tensor) -> Tensor:
        """Return the indices [B, k] of the channels that score highest, by descending score."""
        if self.score is None:
            return torch.arange(self.k, device=x_BCHW.device).expand(x_BCHW.shape[0], -1)
        mean_BC = x_BCHW.mean((2, 3))[:, : self.channels]
        if self.unscale != 1:
            mean_BC = mean_BC * self.unscale
        return self.score(mean_BC, lambda weight: weight).topk(self.k, dim=1).indices  # type: ignore[no-any-return]

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        x_BCHW = self.mix(x_BCHW)
        index_BK = self.select(x_BCHW)
        return x_BCHW, self.last(self.activation(gather(x_BCHW, index_BK, self.i) * gather(x_BCHW, index_BK, self.j)))


class GhostParts(nn.Module):
    """A Ghost expansion without its concatenation: its halves, channels filled to blocks."""

    def __init__(self, ghost: GhostExpansion) -> None:
        super().__init__()
        primary, cheap = folded(ghost.primary), folded(ghost.cheap)
        self.primary = dense(filled(primary.weight), filled(cast(Tensor, primary.bias)))
        self.last: nn.Module = depthwise(
            filled(cheap.weight), filled(cast(Tensor, cheap.bias)), cheap.stride, cheap.padding
        )

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        primary = F.hardswish(self.primary(x_BCHW))
        return primary, self.last(primary)


class SplitBottleneck(nn.Module):
    """An adaptive bottleneck whose expansion comes in parts: sum over them of project(hardswish(depthwise(part)))."""

    def __init__(
        self, parts: nn.Module, depthwise: Sequence[nn.Module], project: Sequence[nn.Module], residual: bool
    ) -> None:
        super().__init__()
        self.parts, self.residual = parts, residual
        self.depthwise, self.project = nn.ModuleList(depthwise), nn.ModuleList(project)

    @classmethod
    def of(cls, block: AdaptiveBottleneck) -> SplitBottleneck | None:
        """None for a block whose expansion does not come in parts."""
        expansion, parts, scale = block.expansion, cast(CrossHadamardParts | GhostParts | None, None), 1.0
        if type(expansion) is GhostExpansion:
            parts, cut = GhostParts(expansion), expansion.out_channels // 2
        elif type(expansion) is AdaptiveCrossHadamard and (normaliser := Normaliser.of(expansion)) is not None:
            parts, cut, scale = CrossHadamardParts(expansion, normaliser), expansion.channels, normaliser.scale
        if parts is None:
            return None
        apart, project = folded(block.depthwise), folded(block.project)
        weight, bias = apart.weight, cast(Tensor, apart.bias)
        first = depthwise(filled(weight[:cut] / scale), filled(bias[:cut]), apart.stride, apart.padding)
        second = depthwise(filled(weight[cut:]), filled(bias[cut:]), apart.stride, apart.padding)
        last = parts.last
        if isinstance(last, nn.BatchNorm2d):
            last = depthwise(last.weight[:, None, None, None], last.bias)
        if isinstance(last, nn.Conv2d) and (both := composed(last, second)) is not None:
            second, parts.last = both, nn.Identity()
        projections = (
            dense(filled(project.weight[:, :cut], dim=1), project.bias),
            dense(filled(project.weight[:, cut:], dim=1)),
        )
        return cls(parts, (first, second), projections, block.residual)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        y_BCHW = x_BCHW if self.residual else None
        for part, apart, project in zip(self.parts(x_BCHW), self.depthwise, self.project, strict=True):
            projected = project(F.hardswish(apart(part)))
            y_BCHW = projected if y_BCHW is None else y_BCHW + projected
        assert y_BCHW is not None
        return y_BCHW


class WholeExpansion(nn.Module):
    """ACH on its own: both parts, x at its own scale again, concatenated."""

    def __init__(self, ach: AdaptiveCrossHadamard, normaliser: Normaliser) -> None:
        super().__init__()
        self.parts, self.unscale = CrossHadamardParts(ach, normaliser, multiple=1), 1 / normaliser.scale

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BCHW, products_BPHW = self.parts(x_BCHW)
        return torch.cat((x_BCHW if self.unscale == 1 else x_BCHW * self.unscale, products_BPHW), 1)


class ConvolutionalHead(nn.Module):
    """Hadaptive-Net with its linear layers as 1x1 convolutions of the pooled map."""

    def __init__(self, net: HadaptiveNet) -> None:
        super().__init__()
        self.net = net
        self.hidden = pointwise(cast(nn.Linear, net.head[0]))
        self.classes = pointwise(net.classifier) if isinstance(net.classifier, nn.Linear) else nn.Identity()
        net.head, net.classifier = nn.Sequential(), nn.Identity()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        pooled = pool(self.net.forward_features(x_BCHW))
        logits: Tensor = self.classes(F.hardswish(self.hidden(pooled))).flatten(1)
        return logits


def _rewritten(module: nn.Module) -> nn.Module:
    """`module` in its fast form: another module, or itself with its children rewritten."""
    if type(module) is AdaptiveBottleneck and (split := SplitBottleneck.of(module)) is not None:
        return split
    if type(module) is AdaptiveCrossHadamard and (normaliser := Normaliser.of(module)) is not None:
        return WholeExpansion(module, normaliser)
    for name, child in module.named_children():
        setattr(module, name, _rewritten(child))
    if type(module) is nn.Sequential:
        _compose_neighbours(module)
    return ConvolutionalHead(module) if type(module) is HadaptiveNet else module


def _compose_neighbours(layers: nn.Sequential) -> None:
    for n, (first, second) in enumerate(zip(layers, list(layers)[1:], strict=False)):
        if type(first) is ConvNormAct and type(second) is ConvNormAct and len(first) == 2:  # no activation between
            both = composed(folded(first), folded(second))
            if both is not None:
                layers[n], layers[n + 1] = nn.Identity(), nn.Sequential(both, *list(second)[2:])
