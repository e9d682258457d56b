"""Hadaptive-Net S, M and L (section 3.4, Table 9), registered with timm: `timm.create_model("hadaptive_net_s")`.

S is Table 9. M and L are not in the paper; their rows are the authors' published configuration, with DySoft everywhere
as the paper says. `as_released=True` puts batch norm where that configuration has it: in every second ACH of M and L.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn

from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.blocks import AdaptiveBottleneck, ConvNormAct, GhostExpansion

__all__ = ["HadaptiveNet", "hadaptive_net_l", "hadaptive_net_m", "hadaptive_net_s"]


class CNA(NamedTuple):
    """Convolution, batch norm, activation."""

    out: int
    kernel: int
    stride: int = 1
    act: bool = True


class Ghost(NamedTuple):
    """Adaptive bottleneck that expands to `expansion` times its input channels by a Ghost module."""

    expansion: float
    out: int
    kernel: int
    stride: int = 1


class ACH(NamedTuple):
    """Adaptive bottleneck that expands by the products of k channels.

    `bn`: batch norm in `as_released`; `norm`: the normalizer of this row, where it is not that of the whole model.
    """

    k: int
    out: int
    kernel: int
    stride: int = 1
    bn: bool = False
    norm: str | None = None


Row = CNA | Ghost | ACH

NETS: dict[str, tuple[Row, ...]] = {
    "hadaptive_net_s": (
        CNA(32, 2, 2, act=False),
        CNA(48, 2, 2),
        CNA(32, 1),
        Ghost(4.0, 64, 2, 2),
        Ghost(2.0, 64, 3),
        Ghost(4.0, 96, 2, 2),
        ACH(16, 96, 5),
        ACH(16, 96, 5),
        Ghost(2.0, 96, 5),
        ACH(16, 96, 5),
        ACH(16, 96, 5),
        Ghost(6.0, 128, 2, 2),
        ACH(32, 128, 7),
        ACH(32, 128, 7),
        CNA(960, 1),
    ),
    "hadaptive_net_m": (
        CNA(32, 2, 2, act=False),
        CNA(128, 2, 2),
        CNA(48, 1),
        Ghost(4.0, 80, 2, 2),
        Ghost(2.0, 80, 3),
        Ghost(6.0, 128, 2, 2),
        ACH(24, 128, 5),
        ACH(24, 128, 5, bn=True),
        Ghost(4.0, 128, 5),
        ACH(24, 128, 5),
        ACH(24, 128, 5, bn=True),
        Ghost(4.0, 128, 5),
        ACH(24, 128, 5),
        ACH(24, 128, 5, bn=True),
        Ghost(6.0, 192, 2, 2),
        ACH(36, 192, 7),
        ACH(36, 192, 7, bn=True),
        CNA(960, 1),
    ),
    "hadaptive_net_l": (
        CNA(24, 2, 2, act=False),
        CNA(96, 2, 2),
        CNA(48, 1),
        Ghost(4.0, 96, 2, 2),
        Ghost(4.0, 96, 3),
        Ghost(4.0, 192, 2, 2),
        ACH(32, 192, 5),
        ACH(32, 192, 5, bn=True),
        Ghost(4.0, 192, 5),
        ACH(32, 192, 5),
        ACH(32, 192, 5, bn=True),
        Ghost(4.0, 192, 5),
        ACH(32, 192, 5),
        ACH(32, 192, 5, bn=True),
        Ghost(4.0, 192, 5),
        ACH(32, 192, 5),
        ACH(32, 192, 5, bn=True),
        Ghost(4.0, 256, 2, 2),
        ACH(36, 256, 7),
        ACH(36, 256, 7, bn=True),
        Ghost(4.0, 256, 2, 2),
        ACH(36, 256, 7),
        ACH(36, 256, 7, bn=True),
        CNA(960, 1),
    ),
}


def rows_of(name: str, options: Mapping[str, Any]) -> tuple[Row, ...]:
    """Return the rows of a model by name; options change none."""
    return NETS[name]


def min_image_size(rows: tuple[Row, ...]) -> int:
    """Return the smallest square input, in pixels: a stride-2 row halves it, rounding down, to at least one pixel."""
    return int(2 ** sum(row.stride == 2 for row in rows))


def build_row(
    row: Row, in_channels: int, *, as_released: bool = False, all_ghost: bool = False, **ach: Any
) -> nn.Module:
    """Return the module of one row of a table; `ach` are AdaptiveCrossHadamard's options.

    `all_ghost` puts a Ghost module of the same width in the place of ACH, to the channel where that width is even and
    with one more where it is odd.
    """
    if isinstance(row, CNA):
        return ConvNormAct(in_channels, row.out, row.kernel, row.stride, act=row.act)
    expansion: nn.Module
    if isinstance(row, Ghost):
        expansion = GhostExpansion(in_channels, row.expansion)
    elif all_ghost:
        expansion = GhostExpansion(in_channels, 1 + Fraction(row.k * (row.k - 1), 2 * in_channels))
    else:
        norm = "batchnorm" if as_released and row.bn else row.norm
        expansion = AdaptiveCrossHadamard(in_channels, row.k, **(ach | ({"norm": norm} if norm else {})))
    return AdaptiveBottleneck(in_channels, row.out, expansion, row.kernel, row.stride)


class HadaptiveNet(nn.Module):
    """Rows of a table, then pool, linear 1280, hardswish, dropout, linear `num_classes`: [B, in_chans, H, W] -> [B, n].

    `ach`, `as_released` and `all_ghost` (the twin without ACH that appendix A.6 compares with) go to `build_row`.
    Convolution and linear weights start Xavier normal, as the authors' do; ECA's 1-D kernel and all biases keep
    PyTorch's start. `num_classes=0` ends before the last linear layer.

    Raises ValueError for options of ACH beside `all_ghost`, and for input smaller than `min_image_size`.
    """

    def __init__(
        self,
        rows: tuple[Row, ...],
        name: str = "hadaptive_net",
        num_classes: int = 1000,
        in_chans: int = 3,
        drop_rate: float = 0.3,
        head_hidden_size: int = 1280,
        as_released: bool = False,
        all_ghost: bool = False,
        **ach: Any,
    ) -> None:
        super().__init__()
        self.name = name
        self.min_image_size = min_image_size(rows)
        self.num_classes = num_classes
        self.num_features = rows[-1].out
        self.head_hidden_size = head_hidden_size
        if all_ghost and (ach or as_released):
            names = ", ".join([*ach, *(["as_released"] if as_released else [])])
            raise ValueError(f"all_ghost leaves no ACH for {names} to act on; leave one of them out")
        widths = (in_chans, *(row.out for row in rows))
        ach |= {"as_released": as_released, "all_ghost": all_ghost}
        self.features = nn.Sequential(*(build_row(row, width, **ach) for row, width in zip(rows, widths, strict=False)))
        self.head = nn.Sequential(nn.Linear(self.num_features, head_hidden_size), nn.Hardswish(), nn.Dropout(drop_rate))
        self.classifier = _classifier(head_hidden_size, num_classes)
        initialise(self)

    def forward_features(self, x_BCHW: Tensor) -> Tensor:
        """Return the unpooled feature map [B, num_features, H', W']."""
        height, width, least = *x_BCHW.shape[-2:], self.min_image_size
        if height < least or width < least:
            raise ValueError(f"{self.name} got {height}x{width} pixels and needs at least {least}x{least}")
        return self.features(x_BCHW)  # type: ignore[no-any-return]

    def forward_head(self, x_BCHW: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits [B, num_classes] from the feature map, or with `pre_logits` the [B, head_hidden_size] before them."""
        hidden = self.head(x_BCHW.mean((2, 3)))
        return hidden if pre_logits else self.classifier(hidden)  # type: ignore[no-any-return]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x_BCHW))

    def get_classifier(self) -> nn.Module:
        return self.classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A new last layer, Xavier normal. The pooling is always the mean: `global_pool` takes None or "avg"."""
        if global_pool not in (None, "avg"):
            raise ValueError(f'global_pool={global_pool!r}: Hadaptive-Net pools by the mean; leave it out or say "avg"')
        self.num_classes = num_classes
        like = next(self.parameters())
        self.classifier = _classifier(self.head_hidden_size, num_classes).to(like.device, like.dtype)
        if isinstance(self.classifier, nn.Linear):
            nn.init.xavier_normal_(self.classifier.weight)


def initialise(model: nn.Module) -> None:
    """Xavier normal for every convolution and linear weight of the model, as the authors' code has it."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_normal_(module.weight)


def _classifier(in_features: int, num_classes: int) -> nn.Module:
    return nn.Linear(in_features, num_classes) if num_classes > 0 else nn.Identity()


def _cfg(name: str) -> dict[str, Any]:
    smallest = min_image_size(NETS[name])
    return {
        "url": "",
        "num_classes": 1000,
        "input_size": (3, 224, 224),
        "min_input_size": (3, smallest, smallest),
        "pool_size": (224 // smallest, 224 // smallest),
        "crop_pct": 0.875,
        "interpolation": "bilinear",
        "mean": IMAGENET_DEFAULT_MEAN,
        "std": IMAGENET_DEFAULT_STD,
        "first_conv": "features.0.0",
        "classifier": "classifier",
    }


default_cfgs = generate_default_cfgs({f"{name}.untrained": _cfg(name) for name in NETS})


def _create(name: str, pretrained: bool, options: dict[str, Any]) -> HadaptiveNet:
    if pretrained and not options.get("pretrained_cfg"):  # of a folder or a repository that has weights
        raise ValueError(f"{name} has no pretrained weights; call it with pretrained=False and train it")
    return build_model_with_cfg(HadaptiveNet, name, pretrained, rows=NETS[name], name=name, **options)


@register_model
def hadaptive_net_s(pretrained: bool = False, **options: Any) -> HadaptiveNet:
    """Hadaptive-Net-S (Table 9). Options: those of HadaptiveNet and of AdaptiveCrossHadamard."""
    return _create("hadaptive_net_s", pretrained, options)


@register_model
def hadaptive_net_m(pretrained: bool = False, **options: Any) -> HadaptiveNet:
    """Hadaptive-Net-M. Options as `hadaptive_net_s`."""
    return _create("hadaptive_net_m", pretrained, options)


@register_model
def hadaptive_net_l(pretrained: bool = False, **options: Any) -> HadaptiveNet:
    """Hadaptive-Net-L, at least 64 px. Options as `hadaptive_net_s`."""
    return _create("hadaptive_net_l", pretrained, options)
