"""What bounds a training step on a processor: the time of each kind of operator, over that of its roofline.

The roofline (Williams et al., 2009) of a call is the time that its operations take at the speed of a large matrix
product, or its tensors at the speed of memory, whichever is longer; both speeds are measured here, in the same rounds.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from hadaptive.nn.zoo import create_model
from hadaptive.train.memory import keep_freed_memory

SIDE, LARGE_BYTES = 1024, 1 << 28  # of a product that runs from cache, and of an array that no cache holds


class Call(NamedTuple):
    """An operator that ran: its kind, seconds, operations, and bytes of its tensors."""

    kind: str
    seconds: float
    flops: float
    size: int


class _Timed(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operator that runs and computes something."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Call] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        started = time.perf_counter()
        out = func(*args, **kwargs)
        seconds = time.perf_counter() - started
        if not func.is_view:
            tensors = {id(leaf): leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor)}
            size = sum(each.numel() * each.element_size() for each in tensors.values())
            self.calls.append(Call(_kind(func, args), seconds, _flops(func, args, kwargs, out), size))
        return out


@dataclass(frozen=True)
class Spent:
    """Seconds of some calls, of their arithmetic and their memory at full speed, and of their rooflines."""

    seconds: float
    arithmetic: float
    memory: float
    roofline: float

    @classmethod
    def on(cls, calls: list[Call], flops_per_s: float, bytes_per_s: float) -> Spent:
        bounds = [(call.flops / flops_per_s, call.size / bytes_per_s) for call in calls]
        arithmetic, memory = (sum(column) for column in zip(*bounds, strict=True))
        return cls(sum(call.seconds for call in calls), arithmetic, memory, sum(map(max, bounds)))


def _kind(func: Any, args: Any) -> str:
    """The operator's name; that of a convolution with what decides its speed."""
    name = func.overloadpacket.__name__
    if not name.startswith("convolution"):
        return str(name)
    backward = name.endswith("backward")
    weight = args[2] if backward else args[1]
    groups = args[9] if backward else args[8]
    side = weight.shape[2]
    kind = "depthwise" if groups > 1 and weight.shape[1] == 1 else "pointwise" if side == 1 else f"{side}x{side}"
    return f"{kind} convolution{', backward' if backward else ''}"


def _flops(func: Any, args: Any, kwargs: Any, out: Any) -> float:
    """Operations; of a convolution by its own sum, as PyTorch's takes a grouped one's gradient for a dense one's."""
    name = func.overloadpacket.__name__
    if name == "convolution":
        return float(2 * out.numel() * args[1][0].numel())
    if name == "convolution_backward":
        gradients = sum(map(bool, args[10][:2]))  # of the input, of the weights
        return float(2 * args[0].numel() * args[2][0].numel() * gradients)
    count = flop_registry.get(func.overloadpacket)
    return float(count(*args, **kwargs, out_val=out)) if count else 0.0


def operator_times(
    model_name: str, *, image_size: int, batch_size: int, threads: int, rounds: int = 5
) -> dict[str, Any]:
    """Return the kinds of operators of a training step: their shares of its time, and their roofline over their time.

    fp32, channels_last, random images [batch_size, 3, image_size, image_size] of 100 classes. `operators` has, for each
    kind: `share` of the step, `calls` a step, `of_roofline` (1: nothing is faster here, unless its tensors stay in the
    cache), and whether memory or arithmetic bounds most of it. `of_roofline` beside it is that of the whole step.
    Medians of rounds.
    """
    torch.set_num_threads(threads)
    keep_freed_memory()
    torch.manual_seed(0)
    model: nn.Module = create_model(model_name, num_classes=100).train()
    model.to(memory_format=torch.channels_last)
    x_BCHW = torch.randn(batch_size, 3, image_size, image_size).contiguous(memory_format=torch.channels_last)
    y_B = torch.randint(100, (batch_size,))
    optimizer = torch.optim.AdamW(model.parameters(), foreach=True)

    def step() -> list[Call]:
        with _Timed() as timed:
            nn.functional.cross_entropy(model(x_BCHW), y_B).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return list(timed.calls)

    step()  # warm up
    speeds, whole = [], []
    by_kind: dict[str, list[Spent]] = {}
    for _ in range(rounds):
        speeds.append((_flops_per_s(), _bytes_per_s()))
        calls = step()
        whole.append(Spent.on(calls, *speeds[-1]))
        for kind in dict.fromkeys(call.kind for call in calls):
            by_kind.setdefault(kind, []).append(Spent.on([c for c in calls if c.kind == kind], *speeds[-1]))
    count = Counter(call.kind for call in calls)
    seconds = sum(each.seconds for each in whole)
    operators = [
        {
            "operator": kind,
            "share": round(sum(one.seconds for one in spent) / seconds, 3),
            "calls": count[kind],
            "of_roofline": _median(one.roofline / one.seconds for one in spent),
            "bound": "arithmetic" if spent[0].arithmetic > spent[0].memory else "memory",
        }
        for kind, spent in by_kind.items()
    ]
    return {
        "model": model_name,
        "image_size": image_size,
        "batch_size": batch_size,
        "threads": threads,
        "gflops_per_s": _median(flops / 1e9 for flops, _ in speeds),
        "gbytes_per_s": _median(size / 1e9 for _, size in speeds),
        "of_roofline": _median(step.roofline / step.seconds for step in whole),
        "operators": sorted(operators, key=lambda each: -float(each["share"])),
    }


def _median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 3)


def _flops_per_s() -> float:
    """FLOP/s of a matrix product that the caches hold."""
    a = torch.ones(SIDE, SIDE)
    started = time.perf_counter()
    for _ in range(3):
        torch.mm(a, a)
    return float(3 * 2 * SIDE**3 / (time.perf_counter() - started))


def _bytes_per_s() -> float:
    """Bytes/s, read and written, of a copy that no cache holds."""
    a = torch.ones(LARGE_BYTES // 8)  # float32, so half of the bytes; its copy is the other half
    b = torch.empty_like(a).fill_(0)
    started = time.perf_counter()
    b.copy_(a)
    return LARGE_BYTES / (time.perf_counter() - started)
