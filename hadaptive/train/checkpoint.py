"""Checkpoints: atomic, checked when read, and never code (weights only)."""

from __future__ import annotations

import pickle
import random
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hadaptive.errors import UserError
from hadaptive.records import atomic


class Damaged(UserError):
    """A checkpoint that is cut short, altered, or no checkpoint of ours."""


def save(path: Path, state: dict[str, Any], *, keep_previous: bool = False) -> None:
    """Write `state` atomically; with `keep_previous` the file that stood there stays as `<stem>.previous<suffix>`."""
    for place in (path, previous(path)):
        if place.is_dir() and not place.is_symlink():  # in a work folder, which is safe to delete
            shutil.rmtree(place)
    with atomic(path) as temporary:
        try:
            with temporary.open("wb") as file:
                torch.save(state, file)
        except RuntimeError as error:  # torch's own, in front of the full disk that caused it
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None
        if keep_previous and path.exists():
            path.replace(previous(path))


def previous(path: Path) -> Path:
    """Return where `save` keeps the checkpoint before this one."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint and check every byte of it (the CRCs of its archive).

    Raises UserError, naming the file and the remedy, where it is missing; Damaged where it is cut short, altered, or
    holds anything but tensors and plain values (a pickle could run code).
    """
    mend = (
        "Delete it and run the same command again: training resumes from the checkpoint before it, or from the start "
        "where there is none"
    )
    if path.is_dir():
        raise Damaged(f"{path} is damaged (a folder stands in its place). {mend}")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"{damaged} does not match its checksum")
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such checkpoint; train the Run that makes it first") from None
    except pickle.UnpicklingError:
        raise Damaged(f"{path} holds more than weights and was not loaded; delete it") from None
    except (OSError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a damaged file can make torch raise almost anything
        raise Damaged(f"{path} is damaged ({error}). {mend}") from None
    return state


def newest(
    path: Path, device: torch.device | str = "cpu", mismatch: Callable[[Any], str | None] = lambda state: None
) -> dict[str, Any] | None:
    """Return the state to resume from: at `path`, else the one before it, else None. A damaged one is named and left.

    `mismatch` returns why a state cannot be resumed from, None where it can; one that cannot counts as damaged.
    """
    for candidate, otherwise in ((path, "from the checkpoint before it"), (previous(path), "from the start")):
        if candidate.exists():
            try:
                state = load(candidate, device)
                if (wrong := mismatch(state)) is not None:
                    raise Damaged(f"{candidate} is of another training ({wrong}). Delete it")
                return state
            except Damaged as error:
                print(f"{str(error).partition('. ')[0]}; resuming {otherwise}", flush=True)
    return None


def weights_mismatch(weights: Any, expected: Mapping[str, Any]) -> str | None:
    """Return how `weights` differ from the names, shapes and types of `expected`; None where they do not."""
    if not isinstance(weights, Mapping):
        return f"{type(weights).__name__} in the place of weights"
    if odd := sorted(map(str, weights.keys() ^ expected.keys())):
        return f"{odd[0]} is {'missing' if odd[0] in expected else 'not in this model'}"
    for name, own in expected.items():
        value = weights[name]
        if not isinstance(value, Tensor) or (value.shape, value.dtype) != (own.shape, own.dtype):
            shape = f"{list(value.shape)} {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
            return f"{name} is {shape}, not {list(own.shape)} {own.dtype}"
    return None


def fill(model: nn.Module, path: Path) -> None:
    """Load the weights of a checkpoint into `model`. Raises what `load` raises, and Damaged for another model's."""
    state = load(path)
    if (wrong := weights_mismatch(state, model.state_dict())) is not None:
        raise Damaged(f"{path} holds the weights of another model ({wrong}). Delete it and run its Run again")
    model.load_state_dict(state)


def rng_state(device: torch.device) -> dict[str, Any]:
    """Return state of every generator a model may draw from (noise, dropout): Python's, PyTorch's, the device's."""
    state: dict[str, Any] = {"python": random.getstate(), "torch": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_rng(state: dict[str, Any], device: torch.device) -> None:
    """Put back what `rng_state` took."""
    version, values, gauss = state["python"]
    random.setstate((version, tuple(values), gauss))
    torch.set_rng_state(state["torch"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)


def weights(model: nn.Module) -> dict[str, Any]:
    """Return a copy of the model's state on the CPU, contiguous, so that equal weights are equal bytes."""
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in model.state_dict().items()}
