"""Put ACH in the place of blocks of any model, by pattern: Tables 2, 5 and 8, and models of your own."""

from __future__ import annotations

import bisect
import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn

from hadaptive.nn.counterparts import AchBottleneck, AchFeedForward
from hadaptive.nn.replaceable import Bottleneck, FeedForward, NotReplaceable, read, replaceable

Block = Bottleneck | FeedForward
Predicate = Callable[[str, nn.Module], bool]
Select = int | str | re.Pattern[str] | Predicate | Sequence[int | str | re.Pattern[str] | Predicate]
Known = Mapping[str, tuple[int, str]]  # pattern of names -> k and why
_CONV = ("kernel", "squeeze_excite")  # options of AchBottleneck alone
_TOKENS = "patch_area"  # option of AchFeedForward alone


@dataclass(frozen=True)
class Replaced:
    """One block that retrofit replaced: its name, channels in, k, channels after expansion, why that k, and counts."""

    block: str
    kind: str
    channels: int
    k: int
    width: int
    old_width: int
    reason: str
    parameters: int
    old_parameters: int


def retrofit(
    model: nn.Module,
    select: Select,
    k: int | Mapping[str, int] | None = None,
    *,
    kernel: int | None = None,
    squeeze_excite: bool | None = None,
    **ach: Any,
) -> nn.Module:
    """Return a copy of `model` whose selected blocks are adaptive cross-Hadamard blocks; `model` itself stays as it is.

    Replaceable are blocks of an expansion, a depthwise convolution and a projection (inverted bottlenecks; also with
    parallel expansions or none), found by structure in models of any library, and feed-forward layers of two linear
    layers over channel-last tokens. Channels in and out, size, stride, activation, squeeze-excite and residual stay;
    new layers start as PyTorch starts them, with the block's device, dtype and training mode.

    >>> import torch
    >>> from torch import nn
    >>> from hadaptive.nn.retrofit import report, retrofit
    >>> class Block(nn.Module):
    ...     def __init__(self, channels: int, width: int) -> None:
    ...         super().__init__()
    ...         self.expand = nn.Sequential(nn.Conv2d(channels, width, 1), nn.BatchNorm2d(width), nn.ReLU())
    ...         self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
    ...         self.project = nn.Conv2d(width, channels, 1)
    ...
    ...     def forward(self, x):
    ...         return x + self.project(self.depthwise(self.expand(x)))
    >>> model = nn.Sequential(nn.Conv2d(3, 24, 3, 2), Block(24, 96), Block(24, 96), nn.AdaptiveAvgPool2d(1))
    >>> better = retrofit(model, select=[-1])  # the last block; or select="2", select=lambda name, module: ...
    >>> [(r["block"], r["k"], r["width"], r["reason"]) for r in report(better)]
    [('2', 15, 129, 'largest k within the 5,880 parameters of the block')]
    >>> better(torch.randn(2, 3, 32, 32)).shape
    torch.Size([2, 24, 1, 1])

    Args:
        select: indices into `replaceable(model)` (from the end where negative); a glob over the names there, as
            "stages.3.*.mlp"; a compiled regular expression that matches a whole name; a predicate of name and module;
            or several of these.
        k: channels to select, of every block or by glob over names. Left out: for a bottleneck the largest k whose
            block has no more parameters than the old one, for a feed-forward layer the largest whose C + k(k-1)/2
            channels are no more than the old hidden width (Table 8).
        kernel: of the depthwise convolutions, where not the old one's.
        squeeze_excite: True adds one where a block has none, False leaves it out.
        ach: options of AdaptiveCrossHadamard, and `patch_area` of feed-forward layers: 4 has each patch of MobileViT
            select for itself, as in the authors' build. What they add counts when k is left out.

    Raises: ValueError for a `select` that matches nothing and for a k out of range, listing what can be replaced; for a
        block for which no k is small enough, options that do not fit a block, and a model on the meta device.
    """
    if k is None:
        known: Known = {}
    else:
        known = {name: (one, "given") for name, one in (k.items() if isinstance(k, Mapping) else [("*", k)])}
    return _retrofit(model, select, known, {"kernel": kernel, "squeeze_excite": squeeze_excite}, ach)


def report(model: nn.Module) -> list[dict[str, Any]]:
    """Return what retrofit replaced in `model`, in its order, as plain data for a record; empty for any other model."""
    return [asdict(one) for one in getattr(model, "replaced", ())]


def _retrofit(model: nn.Module, select: Select, known: Known, conv: dict[str, Any], ach: dict[str, Any]) -> nn.Module:
    conv = {name: value for name, value in conv.items() if value is not None}
    if any(p.is_meta for p in model.parameters()):
        raise ValueError("the model lies on the meta device, where its blocks cannot be run; build it on a real one")
    blocks = replaceable(model)
    chosen = _select(model, blocks, select)
    model = copy.deepcopy(model)
    replaced = list(getattr(model, "replaced", ()))
    for name in chosen:
        old = model.get_submodule(name)
        shape = blocks[name]
        if isinstance(shape, FeedForward) and conv:
            raise ValueError(f"{name} is a feed-forward layer and has no {' and no '.join(conv)}")
        if isinstance(shape, Bottleneck) and _TOKENS in ach:
            raise ValueError(f"{name} is a bottleneck and has no {_TOKENS}; leave it out")
        limit, mine = _parameters(old), {**conv, **ach}
        given = next((pair for pattern, pair in known.items() if fnmatchcase(name, pattern)), None)
        k, reason = given or _largest_k(name, shape, limit, mine)
        if not 2 <= k <= _channels(shape):
            raise ValueError(f"k={k} for {name}: choose from 2 to its {_channels(shape)} channels; {_listing(blocks)}")
        new = _counterpart(shape, k, mine)
        like = next(old.parameters())
        new = new.to(like.device, like.dtype).train(old.training)
        width = _channels(shape) + k * (k - 1) // 2
        kind = "bottleneck" if isinstance(shape, Bottleneck) else "feed-forward"
        counts = (_parameters(new), limit)
        replaced.append(Replaced(name, kind, _channels(shape), k, width, shape.width, reason, *counts))
        if name:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, new)
        else:
            model = new
    model.replaced = tuple(replaced)  # type: ignore[assignment]  # no tensor and no module: it is only carried along
    return model


def _select(model: nn.Module, blocks: Mapping[str, Block], select: Select) -> list[str]:
    """Return the names of the selected blocks in the model's order."""
    parts = [select] if isinstance(select, str | int | re.Pattern) or callable(select) else list(select)
    names, chosen = list(blocks), set()
    if not parts:
        raise ValueError(f"select is empty; {_listing(blocks)}")
    for part in parts:
        if isinstance(part, int):
            matched = names[part:][:1] if -len(names) <= part < len(names) else []
        else:
            matched = [name for name in names if _matches(part, name, model)]
        if not matched:
            raise ValueError(f"select={part!r} matches no replaceable block{_why(model, part)}; {_listing(blocks)}")
        chosen |= set(matched)
    return [name for name in names if name in chosen]


def _matches(part: str | re.Pattern[str] | Predicate, name: str, model: nn.Module) -> bool:
    if isinstance(part, str):
        return fnmatchcase(name, part)
    if isinstance(part, re.Pattern):
        return part.fullmatch(name) is not None
    return part(name, model.get_submodule(name))


def _why(model: nn.Module, part: Any) -> str:
    """Return why the first module that a pattern does match cannot be replaced."""
    if not isinstance(part, int):
        for name, module in model.named_modules():
            if _matches(part, name, model):
                try:
                    read(module)
                except NotReplaceable as error:
                    return f" ({name or 'the model'} {error})"
    return ""


def _listing(blocks: Mapping[str, Block]) -> str:
    if not blocks:
        return "the model has no inverted bottleneck and no feed-forward layer that ACH could replace"
    return "replaceable are " + ", ".join(f"{i}: {name or 'the model itself'}" for i, name in enumerate(blocks))


def _largest_k(name: str, shape: Block, limit: int, options: dict[str, Any]) -> tuple[int, str]:
    ks = range(2, _channels(shape) + 1)
    if isinstance(shape, FeedForward):
        room, what = shape.width, f"largest k within the {shape.width:,} channels of the hidden layer"
        size: Callable[[int], int] = lambda k: shape.channels + k * (k - 1) // 2  # noqa: E731
    else:
        room, what = limit, f"largest k within the {limit:,} parameters of the block"
        size = lambda k: _parameters(_counterpart(shape, k, options, "meta"))  # noqa: E731
    fitting = bisect.bisect_right(ks, room, key=size)
    if not fitting:
        raise ValueError(f"{name}: already k=2 takes {size(2):,}, more than the {room:,} it has now; give k")
    return ks[fitting - 1], what


def _counterpart(shape: Block, k: int, options: dict[str, Any], device: str = "cpu") -> nn.Module:
    with torch.device(device):
        return (
            AchBottleneck(shape, k, **options) if isinstance(shape, Bottleneck) else AchFeedForward(shape, k, **options)
        )


def _channels(shape: Block) -> int:
    return shape.in_channels if isinstance(shape, Bottleneck) else shape.channels


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


_AUTHORS = "as in the authors' code"
_DOUBLE = (
    "no k keeps within the old parameters and the authors' is not known; the most that at most doubles the channels"
)
_KNOWN: dict[str, Known] = {
    "mobilenetv3_small_100": {
        "blocks.0.0": (6, _DOUBLE),
        "blocks.1.0": (11, _AUTHORS),
        "blocks.3.1": (15, _AUTHORS),
        "blocks.4.[12]": (32, _AUTHORS),
    },
    "mobilenetv4_conv_small": {"blocks.3.[45]": (32, _AUTHORS)},
}
# Tables 5 and 8. A ShuffleNetV2 branch does not expand, so that ACH with its C x C convolution is larger at any k.
_PAPER: dict[str, dict[str, Any]] = {
    "mobilenetv3_small_100": {"select": [-2, -1]},
    "mobilenetv4_conv_small": {"select": [-2, -1], "kernel": 5, "squeeze_excite": True},
    "shufflenet_v2_x1_0": {"select": [-2, -1], "pointwise": False},
    "starnet_s1": {"select": [-2, -1]},
    **{f"mobilevit_{size}": {"select": "stages.3.*.mlp"} for size in ("s", "xs", "xxs")},
}


def retrofit_named(model: nn.Module, name: str, how: str | Mapping[str, Any]) -> nn.Module:
    """`retrofit` for a model of the zoo by its name: `create_model(name, retrofit=how)`.

    `how` is "paper", the replacement of Tables 5 and 8, or retrofit's arguments; without `select` among them those of
    the paper with these changes. A k that is left out is the authors' where their code shows one.

    Raises: ValueError for a model that neither table has and no `select`, and what retrofit raises.
    """
    if isinstance(how, str):
        if how != "paper":
            raise ValueError(f'retrofit={how!r}: give "paper" or the arguments of retrofit, as {{select: [-2, -1]}}')
        how = {}
    if "select" not in how:
        if name not in _PAPER:
            raise ValueError(f"retrofit of {name} needs `select`; the paper replaces blocks of {', '.join(_PAPER)}")
        how = {**_PAPER[name], **how}
    if how.get("k") is not None or name not in _KNOWN:
        return retrofit(model, **how)
    ach = {one: value for one, value in how.items() if one not in ("select", "k", *_CONV)}
    return _retrofit(model, how["select"], _KNOWN[name], {one: how.get(one) for one in _CONV}, ach)
