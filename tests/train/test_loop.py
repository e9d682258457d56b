"""The loop on a net small enough to look at every step: stopped and killed anywhere, little memory, odd clocks."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hadaptive.data.token_batches import Tokens
from hadaptive.errors import Preempted, UserError
from hadaptive.train import checkpoint, loop, record
from hadaptive.train.loop import Schedule, Trained, fit
from hadaptive.train.micro_batches import cut, sizes_of
from hadaptive.train.schedule import cosine

CPU = torch.device("cpu")


class Points:
    """40 points in batches of 8, in an order by epoch; every epoch first draws from the common generator, as a
    DataLoader does."""

    steps = 5

    def __init__(self) -> None:
        self.seen = 0

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        torch.rand(1)
        generator = torch.Generator().manual_seed(number)
        x, y = torch.randn(40, 6, generator=generator), torch.randint(3, (40,), generator=generator)
        for batch in zip(x.split(8), y.split(8), strict=True):
            self.seen += 1
            yield batch


class Net(nn.Sequential):
    """With `plain` nothing in it looks at a batch as a whole or draws noise."""

    def __init__(self, plain: bool = False) -> None:
        between = (nn.Tanh(),) if plain else (nn.BatchNorm1d(8), nn.Dropout(0.3))
        super().__init__(nn.Linear(6, 8), *between, nn.Linear(8, 3))


def entropy(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
    logits = model(x)
    return F.cross_entropy(logits, y), (logits.argmax(1) == y).sum()


def assess(model: nn.Module) -> dict[str, Any]:
    model.eval()
    torch.rand(1)
    x = torch.linspace(-1, 1, 18).view(3, 6)
    return {"test_top1": model(x).softmax(1)[:, 0].mean().item()}


def train(
    work: Path, loss: loop.Loss = entropy, *, plain: bool = False, batches: Points | None = None, **schedule: Any
) -> Trained:
    torch.manual_seed(0)
    model = Net(plain)
    optimizer = torch.optim.AdamW(model.parameters(), foreach=True)
    settings = {"epochs": 3, "learning_rate": partial(cosine, peak=1e-2, warmup=0.1), "limit": 100.0, **schedule}
    return fit(model, optimizer, batches or Points(), loss, assess, Schedule(**settings), work=work, device=CPU)


def at_step(number: int, act: Callable[[], Any]) -> loop.Loss:
    """A loss that does something at that step, counted over all epochs."""
    steps = 0

    def loss(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        nonlocal steps
        steps += 1
        if steps == number:
            act()
        return entropy(model, x, y)

    return loss


def untimed(trained: Trained) -> list[dict[str, Any]]:
    return [{k: v for k, v in entry.items() if k != "examples_per_s"} for entry in trained.history.curve]


def equal(a: Trained, b: Trained) -> bool:
    weights = [(x[name], y[name]) for x, y in ((a.last, b.last), (a.best, b.best)) for name in x]
    return untimed(a) == untimed(b) and all(torch.equal(x, y) for x, y in weights)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("step", [1, 4, 5, 6, 13, 15])
def test_sigterm_saves_at_once_and_the_resumed_training_has_the_same_bits(tmp_path: Path, step: int) -> None:
    whole = train(tmp_path / "whole")
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Preempted, match=f"after step {(step - 1) % 5 + 1} of epoch {(step - 1) // 5 + 1}"):
        train(tmp_path / "cut", at_step(step, terminate))
    assert signal.getsignal(signal.SIGTERM) is before
    torch.rand(7)
    batches, counted = Points(), []
    resumed = train(tmp_path / "cut", lambda *a: (counted.append(1), entropy(*a))[1], batches=batches)
    assert equal(whole, resumed) and len(counted) == 15 - step, "no step twice"


class Killed(BaseException):
    """Stands for kill -9."""


def kill() -> Any:
    raise Killed


@pytest.mark.parametrize("step", [2, 5, 7, 11])
def test_within_an_epoch_the_state_is_saved_by_time_and_resumes_to_the_same_bits(tmp_path: Path, step: int) -> None:
    whole = train(tmp_path / "whole")
    with pytest.raises(Killed):
        train(tmp_path / "cut", at_step(step, kill), save_s=0.0)
    counted: list[int] = []
    resumed = train(tmp_path / "cut", lambda *a: (counted.append(1), entropy(*a))[1])
    assert equal(whole, resumed) and len(counted) == 15 - (step - 1)


def test_killed_in_the_evaluation_a_saved_epoch_is_only_evaluated_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tmp_path / "whole", epochs=1)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "linspace", lambda *a: kill())
        with pytest.raises(Killed):
            train(tmp_path / "cut", epochs=1, save_s=0.0)
    batches = Points()
    assert equal(whole, train(tmp_path / "cut", epochs=1, batches=batches)) and batches.seen == 0


def short_of_memory(most: int, after: int = 0) -> loop.Loss:
    """A loss for which, after some steps, a batch of more than `most` examples is too large."""
    steps = 0

    def loss(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        nonlocal steps
        steps += 1
        found = entropy(model, x, y)
        if len(y) > most and steps > after:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return found

    return loss


def test_too_little_memory_halves_what_goes_through_at_once_and_not_the_batch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(tmp_path / "whole", plain=True)
    cut_up = train(tmp_path / "cut", short_of_memory(2), plain=True)
    assert cut_up.history.status == "done"
    assert cut_up.history.micro_batches == [{"epoch": 1, "examples": 4}, {"epoch": 1, "examples": 2}]
    assert "out of memory in epoch 1: again with 4 examples at once, the batch as before" in capsys.readouterr().out
    for a, b in zip(untimed(whole), untimed(cut_up), strict=True):
        assert a == pytest.approx(b, rel=1e-5), "the same steps but for rounding"
    said = record.micro_batches(cut_up.history)
    assert said is not None and "batch normalisation's statistics" in said["note"]
    assert record.micro_batches(whole.history) is None


def test_too_little_memory_later_goes_on_from_the_last_save_and_is_remembered(tmp_path: Path) -> None:
    calls, short = [0], short_of_memory(4, after=7)

    def short_then_killed(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        calls[0] += 1
        return kill() if calls[0] == 12 else short(model, x, y)

    with pytest.raises(Killed):
        train(tmp_path / "cut", short_then_killed)
    resumed = train(tmp_path / "cut", short_of_memory(4))
    assert resumed.history.micro_batches == [{"epoch": 2, "examples": 4}]
    assert equal(resumed, train(tmp_path / "again", short_of_memory(4, after=7)))


def test_two_examples_too_large_are_a_result(tmp_path: Path) -> None:
    trained = train(tmp_path, short_of_memory(1))
    assert trained.history.status == "out of memory at epoch 1" and trained.history.curve == []


@pytest.mark.parametrize(("examples", "most"), [(8, 8), (8, 3), (7, 2), (3, 2), (2, 1), (33, 32), (1, 4)])
def test_pieces_are_as_equal_as_can_be_and_none_is_alone(examples: int, most: int) -> None:
    sizes = sizes_of(examples, most)
    assert sum(sizes) == examples and max(sizes) - min(sizes) <= 1 and min(sizes) >= min(2, examples)


def test_batches_of_any_make_are_cut_by_example() -> None:
    x = {"ids": torch.arange(8).view(4, 2), "pair": (torch.arange(4), ["a", "b", "c", "d"])}
    assert cut(x, 1, 3)["ids"].tolist() == [[2, 3], [4, 5]] and cut(x, 1, 3)["pair"][1] == ["b", "c"]
    tokens = Tokens(*(torch.arange(8).view(4, 2) + n for n in range(3)))
    assert cut(tokens, 1, 3).mask_BL.tolist() == [[4, 5], [6, 7]]


def test_a_clock_that_jumps_does_not_reach_durations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, now = train(tmp_path / "whole"), iter(range(10**6, 0, -86400))
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    jumping = train(tmp_path / "jumping")
    assert equal(whole, jumping) and 0 < jumping.history.wall_s < 86400 / 2
    assert all(entry["examples_per_s"] > 0 for entry in jumping.history.curve)


def test_a_checkpoint_with_code_in_it_is_refused_and_does_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "pwned"),)

    torch.save({"model": Evil()}, tmp_path / "state.pt")
    with pytest.raises(UserError, match=r"state\.pt holds more than weights and was not loaded"):
        checkpoint.load(tmp_path / "state.pt")
    assert not (tmp_path / "pwned").exists()


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_saves_within_the_epoch_and_twice_ends_at_once(tmp_path: Path) -> None:
    whole, before = train(tmp_path / "whole"), signal.getsignal(signal.SIGINT)
    with pytest.raises(Preempted, match="stopped after step 2 of epoch 2, which is saved"):
        train(tmp_path / "cut", at_step(7, interrupt))
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", at_step(3, lambda: (interrupt(), interrupt())))
    assert equal(whole, train(tmp_path / "cut"))
