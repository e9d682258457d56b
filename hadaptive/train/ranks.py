"""Several processes that train one model (torchrun, one process per GPU): rank, collectives, data parallelism.

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
def process_group(device: str) -> Iterator[None]:
    """Join the group torchrun has started this process for: NCCL between GPUs, gloo between CPUs."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def world_size() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Return the number of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_main_process() -> bool:
    """Tell whether this is rank 0, the process that evaluates, saves and prints."""
    return rank() == 0


def broadcast(make: Callable[[], T]) -> T:
    """Return what `make()` returns on rank 0, on every rank."""
    if world_size() == 1:
        return make()
    values: list[Any] = [make() if is_main_process() else None]
    distributed.broadcast_object_list(values, src=0, device=torch.device("cpu"))
    value: T = values[0]
    return value


def all_reduce_max(number: int) -> int:
    """Return the largest of the ranks' numbers."""
    if world_size() == 1:
        return number
    largest = torch.tensor(number)
    distributed.all_reduce(largest, distributed.ReduceOp.MAX)
    return int(largest)


def all_gather(value: Any) -> list[Any]:
    """Return every rank's value, by rank."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    distributed.all_gather_object(values, value)
    return values


def all_reduce_sum(*sums: Tensor) -> None:
    """Replace each tensor by the sum over the ranks."""
    if world_size() > 1:
        for tensor in sums:
            distributed.all_reduce(tensor)


def data_parallel(model: nn.Module, device: torch.device) -> nn.Module:
    """Wrap `model` so that gradients are averaged over the ranks; on GPUs batch normalisation sees the whole batch.

    (On CPUs PyTorch has no such normalisation: each process normalises its own part of the batch.) Each process draws
    its own noise from here on.
    """
    if world_size() == 1:
        return model
    if device.type == "cuda":
        from timm.layers.norm_act import convert_sync_batchnorm  # knows timm's layers that are a norm and more

        model = convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    if not is_main_process():
        text = f"{torch.initial_seed()}/{rank()}"
        torch.manual_seed(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1)
    return nn.parallel.DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)


def no_sync(model: nn.Module, averaging: bool) -> contextlib.AbstractContextManager[Any]:
    """Let a backward pass wait for no other rank, unless `averaging`."""
    if averaging or not isinstance(model, nn.parallel.DistributedDataParallel):
        return contextlib.nullcontext()
    held: contextlib.AbstractContextManager[Any] = model.no_sync()
    return held
