"""Checkpoints that are damaged or of another training: each is named, and training resumes from the one before it."""

from __future__ import annotations

import contextlib
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hadaptive.train import checkpoint
from hadaptive.train.state import State
from tests.reliability.attack import Attack

Damage = Callable[[Path], Any]


def training_state(folder: Path) -> State:
    """A training's state in memory, of a model small enough to make in no time."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    return State(folder / "state.pt", model, {"weights": torch.optim.AdamW(model.parameters())}, torch.device("cpu"))


def saved_twice(folder: Path) -> None:
    """Leave the states after epochs 1 and 2."""
    state = training_state(folder)
    for epoch in (1, 2):
        state.model(torch.ones(2, 3)).sum().backward()
        state.optimizers["weights"].step()
        state.finish_epoch({"epoch": epoch, "test_top1": 1.0 * epoch}, 1.0, "test_top1")


def resumed_after(folder: Path) -> tuple[int, str]:
    """The epoch that a new process resumes after, and what it prints; it can save again, too."""
    state, said = training_state(folder), io.StringIO()
    with contextlib.redirect_stdout(said):
        state.resume()
    state.save(None)
    checkpoint.load(folder / "state.pt")
    return len(state.history.curve), said.getvalue()


def falls_back(damage: Damage) -> Callable[[Path], None]:
    def strike(folder: Path) -> None:
        saved_twice(folder)
        damage(folder / "state.pt")
        epoch, said = resumed_after(folder)
        assert epoch == 1 and "state.pt" in said and "resuming from the checkpoint before it" in said, (epoch, said)

    return strike


def starts_over(damage: Damage) -> Callable[[Path], None]:
    def strike(folder: Path) -> None:
        saved_twice(folder)
        for name in ("state.pt", "state.previous.pt"):
            damage(folder / name)
        epoch, said = resumed_after(folder)
        assert epoch == 0 and said.count("resuming from") == 2 and "from the start" in said, (epoch, said)

    return strike


def refused(damage: Damage) -> Callable[[Path], None]:
    """Weights of a trained model, as an analysis of it loads them."""

    def strike(folder: Path) -> None:
        model = training_state(folder).model
        checkpoint.save(folder / "last.pt", checkpoint.weights(model))
        damage(folder / "last.pt")
        checkpoint.fill(model, folder / "last.pt")

    return strike


def content(change: Callable[[Any], Any]) -> Damage:
    """Replace what a checkpoint holds by what `change` makes of it; the file itself is whole."""

    def damage(path: Path) -> None:
        torch.save(change(torch.load(path, weights_only=True)), path)

    return damage


def without(name: str) -> Damage:
    return content(lambda state: {key: value for key, value in state.items() if key != name})


def put(name: str, value: Any) -> Damage:
    return content(lambda state: {**state, name: value})


def wider(weights: Any) -> Any:
    return {name: torch.cat([value, value]) for name, value in weights.items()}


def moments_of_other_shapes(state: Any) -> Any:
    for values in state["optimizers"]["weights"]["state"].values():
        values["exp_avg"] = torch.ones(9)
    return state


def folder_in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("x")


def some_bytes(path: Path) -> None:
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)  # more than the padding between two entries
    path.write_bytes(data)


def zip_of_nothing(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme", "x")


DAMAGES: list[tuple[str, Damage]] = [
    ("empty", lambda path: path.write_bytes(b"")),
    ("cut short", lambda path: path.write_bytes(path.read_bytes()[:-100])),
    ("200 bytes", some_bytes),
    ("text", lambda path: path.write_text("weights")),
    ("a zip of something else", zip_of_nothing),
    ("a plain pickle", lambda path: path.write_bytes(pickle.dumps({"model": {}}))),
    ("a folder", folder_in_its_place),
    ("a bare tensor", content(lambda state: torch.ones(3))),
    ("a list", content(lambda state: [state])),
    ("nothing", content(lambda state: {})),
    ("weights alone", content(lambda state: state["model"])),
    ("another architecture", content(lambda s: {**s, **{part: wider(s[part]) for part in ("model", "last", "best")}})),
]
PARTS = ("model", "last", "best", "optimizers", "history", "rng", "progress")
STATES: list[tuple[str, Damage]] = [
    *((f"without {part}", without(part)) for part in PARTS),
    *((f"{part} is a number", put(part, 7)) for part in PARTS),
    ("one weight missing", content(lambda s: {**s, "model": dict(list(s["model"].items())[1:])})),
    ("one weight more", content(lambda s: {**s, "model": {**s["model"], "2.weight": torch.ones(1)}})),
    ("weights of another type", content(lambda s: {**s, "best": {n: w.double() for n, w in s["best"].items()}})),
    ("weights that are numbers", content(lambda s: {**s, "last": dict.fromkeys(s["last"], 1.0)})),
    ("no optimiser", put("optimizers", {})),
    ("an optimiser of one parameter", put("optimizers", {"weights": torch.optim.AdamW([torch.ones(1)]).state_dict()})),
    ("an optimiser of other shapes", content(moments_of_other_shapes)),
    ("a history of another version", put("history", {"epochs": 3})),
    ("a best epoch beyond the curve", content(lambda s: {**s, "history": {**s["history"], "best_epoch": 9}})),
    ("no random numbers", put("rng", [])),
    ("random numbers of another version", put("rng", [{"python": (9, (1,), None), "torch": torch.ones(3)}])),
    ("an epoch of another version", put("progress", [{"loss": 1}])),
]
OF_WEIGHTS = [*DAMAGES[:10], ("another architecture", content(wider))]
ATTACKS = [
    *(Attack(f"state: {name}", falls_back(damage), None) for name, damage in (*DAMAGES, *STATES)),
    *(Attack(f"both states: {name}", starts_over(damage), None) for name, damage in DAMAGES),
    *(Attack(f"weights: {name}", refused(damage), r"last\.pt (is damaged|holds)") for name, damage in OF_WEIGHTS),
    Attack("weights: missing", refused(lambda path: path.unlink()), r"last\.pt: no such checkpoint"),
]
