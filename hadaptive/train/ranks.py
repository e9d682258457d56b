"""Several processes training one net (torchrun, one process a GPU): who this one is, and what all must agree on.

Outside torchrun there is one process, and everything here does nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

T = TypeVar("T")
PATIENCE = timedelta(days=1)  # others wait while the first evaluates, or while another trainer holds the work folder


@contextlib.contextmanager
def joined(device: str) -> Iterator[None]:
    """Join the group torchrun has started this process for: NCCL between GPUs, gloo between CPUs."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def count() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def first() -> bool:
    """Whether this process is the one that evaluates, saves and speaks."""
    return rank() == 0


def from_first(make: Callable[[], T]) -> T:
    """What `make()` gives in the first process, in all of them."""
    if count() == 1:
        return make()
    told: list[Any] = [make() if first() else None]
    distributed.broadcast_object_list(told, src=0, device=torch.device("cpu"))
    value: T = told[0]
    return value


def highest(number: int) -> int:
    """The largest of the processes' numbers."""
    if count() == 1:
        return number
    found = torch.tensor(number)
    distributed.all_reduce(found, distributed.ReduceOp.MAX)
    return int(found)


def of_all(value: Any) -> list[Any]:
    """Every process's value, by rank."""
    if count() == 1:
        return [value]
    found: list[Any] = [None] * count()
    distributed.all_gather_object(found, value)
    return found


def add_up(*sums: Tensor) -> None:
    """Replace each tensor by the sum over the processes."""
    if count() > 1:
        for each in sums:
            distributed.all_reduce(each)


def wrapped(net: nn.Module, device: torch.device) -> nn.Module:
    """`net`, its gradients averaged over the processes; on GPUs batch normalisation sees the batch of all of them.

    (On CPUs PyTorch has no such normalisation: each process normalises its own part of the batch.) Each process draws
    its own noise from here on.
    """
    if count() == 1:
        return net
    if device.type == "cuda":
        from timm.layers.norm_act import convert_sync_batchnorm  # knows timm's layers that are a norm and more

        net = convert_sync_batchnorm(net)  # type: ignore[no-untyped-call]
    if not first():
        text = f"{torch.initial_seed()}/{rank()}"
        torch.manual_seed(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1)
    return nn.parallel.DistributedDataParallel(net, device_ids=[device] if device.type == "cuda" else None)


def alone(net: nn.Module, averaging: bool) -> contextlib.AbstractContextManager[Any]:
    """Within it a backward pass waits for no other process, unless `averaging`."""
    if averaging or not isinstance(net, nn.parallel.DistributedDataParallel):
        return contextlib.nullcontext()
    held: contextlib.AbstractContextManager[Any] = net.no_sync()
    return held
