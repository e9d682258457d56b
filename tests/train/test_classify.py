"""Training for real on the embedded digits: learning, resuming to the same bits, failing as a result."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hadaptive.data import DataError
from hadaptive.errors import UserError
from hadaptive.recipes import Recipe
from hadaptive.record.trainings import Outcomes
from hadaptive.records import read_json, sha256
from hadaptive.run import Classification
from hadaptive.train import checkpoint, classify, loop, work
from hadaptive.train.record import Job

Trainer = Callable[..., dict[str, Any]]


def small_run(**changes: Any) -> Classification:
    recipe = {"epochs": 3, "image_size": 32, "batch_size": 32, "train_examples": 160, "flip": False, **changes}
    return Classification(
        scale="test",
        task="cifar100",
        model="hadaptive_net_s",
        variant="dysoft",
        options={"norm": "dysoft"},
        dataset="digits",
        recipe=Recipe(**recipe),
        seed=0,
    )


@pytest.fixture
def train(tmp_path: Path, digits: Path) -> Trainer:
    def go(run: Classification, name: str = "a", code: str = "code") -> dict[str, Any]:
        places = tmp_path / name / "out", tmp_path / name / "work"
        return dict(work.once(classify.train, run, digits, *places, device="cpu", threads=1, code=code).raw)

    return go


@pytest.mark.parametrize(("given", "momenta"), [(None, {0.1}), (0.3, {0.3})])
def test_the_recipe_sets_the_momentum_of_batch_norm(given: float | None, momenta: set[float]) -> None:
    model = classify.build(small_run(bn_momentum=given), 10)
    assert {m.momentum for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == momenta


class Killed(BaseException):
    """Stands for kill -9: nothing in the code under test may catch it."""


def kill_in_epoch(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    whole = loop._epoch

    def until(*args: Any, **kwargs: Any) -> Any:
        result = whole(*args, **kwargs)
        if args[5] == epoch:
            raise Killed
        return result

    monkeypatch.setattr(loop, "_epoch", until)


def test_it_learns_and_the_record_says_everything(train: Trainer, digits: Path, tmp_path: Path) -> None:
    record = train(small_run(epochs=6, train_examples=640))
    assert record["status"] == "done" and len(record["curve"]) == 6
    assert record["metrics"]["top1_last"] > 30, "ten classes: chance is 10"
    assert record["curve"][-1]["train_loss"] < record["curve"][0]["train_loss"]
    assert record["metrics"]["top1_best_on_test"] == max(entry["test_top1"] for entry in record["curve"])
    assert record["data"]["train_examples"] == 640 and len(record["data"]["sha256"]) == 64
    assert record["environment"]["packages"]["torch"] == torch.__version__.split("+")[0]
    assert len(record["curve"][0]["tau"]) == 6, "Hadaptive-Net-S has six ACH modules"
    assert all(record[key] > 0 for key in ("wall_s", "examples_per_s", "peak_memory_bytes"))
    for name in ("last", "best"):
        assert sha256(tmp_path / "a/out" / f"{name}.pt") == record["checkpoints"][name]["sha256"]
    weights = torch.load(tmp_path / "a/out/last.pt", weights_only=True)
    assert any(key.endswith("tau") for key in weights)
    model = classify.build(small_run(), 10).eval()
    model.load_state_dict(weights)
    _, test = classify.splits(small_run(), Job(digits, tmp_path, torch.device("cpu"), 1))
    with torch.inference_mode():
        right = torch.cat([model(x_BCHW).argmax(1) == y_B for x_BCHW, y_B in test.epoch(0)]).numpy()
    found = Outcomes.model_validate(record["outcomes"])
    assert found.bits == np.packbits(right).tobytes() and found.examples == len(right) == test.examples
    assert found.top1 == pytest.approx(record["metrics"]["top1_last"])
    labels = torch.cat([y_B for _, y_B in test.epoch(0)]).numpy()
    assert found.top1_per_class == [round(100 * right[labels == label].mean(), 2) for label in range(10)]
    assert all("outcomes" not in entry for entry in record["curve"])


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_killed_and_resumed_gives_the_same_bits(
    train: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    whole = train(small_run(), "whole")
    with monkeypatch.context() as patch:
        kill_in_epoch(patch, epoch)
        with pytest.raises(Killed):
            train(small_run(), "killed")
    torch.rand(7)  # the resumed process has another history
    resumed = train(small_run(), "killed")
    assert resumed["checkpoints"]["last"]["sha256"] == whole["checkpoints"]["last"]["sha256"]
    assert resumed["checkpoints"]["best"]["sha256"] == whole["checkpoints"]["best"]["sha256"]
    timing = {"examples_per_s"}
    stripped = [[{k: v for k, v in e.items() if k not in timing} for e in r["curve"]] for r in (whole, resumed)]
    assert stripped[0] == stripped[1]
    assert resumed["outcomes"] == whole["outcomes"]


def test_a_finished_run_is_not_trained_twice(
    train: Trainer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = train(small_run(epochs=1))
    (tmp_path / "a/out/record.json").unlink()
    assert train(small_run(epochs=1)) == first
    assert "finished before" in capsys.readouterr().out
    assert train(small_run(epochs=1), code="other")["finished"] >= first["finished"]
    assert "finished before" not in capsys.readouterr().out


def test_a_finished_result_that_was_edited_is_not_taken(
    train: Trainer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = train(small_run(epochs=1))
    (path,) = (tmp_path / "a/work").glob("*/record.json")
    for text, said in (
        (path.read_text().replace(repr(first["metrics"]["loss_last"]), "0.5"), "edited by hand"),
        (path.read_text().replace(first["sha256"], ""), "edited by hand"),
        ("[]", "record damaged"),
    ):
        path.write_text(text)
        again = train(small_run(epochs=1))
        out = capsys.readouterr().out
        assert said in out and "training again" in out and "finished before" not in out
        assert again["metrics"] == first["metrics"]


def test_divergence_is_a_result(train: Trainer, tmp_path: Path) -> None:
    record = train(small_run(lr=1e6))
    assert record["status"] == "diverged at epoch 1"
    assert record["metrics"]["top1_last"] is None and record["curve"] == []
    assert (tmp_path / "a/out/last.pt").exists(), "the weights before it"


def test_divergence_later_keeps_what_was_reached(train: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = loop._epoch

    def poisoned(model: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if args[4] == 2:
            with torch.no_grad():
                next(model.parameters()).fill_(math.nan)
        return whole(model, *args, **kwargs)

    monkeypatch.setattr(loop, "_epoch", poisoned)
    record = train(small_run())
    assert record["status"] == "diverged at epoch 2" and len(record["curve"]) == 1
    assert record["metrics"]["top1_last"] == record["curve"][0]["test_top1"]
    json.dumps(record, allow_nan=False)


def test_out_of_memory_is_a_result(train: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*args: Any, **kwargs: Any) -> Any:
        return torch.empty(2**60)

    monkeypatch.setattr(classify.Precision, "loss", too_large)
    record = train(small_run())
    assert record["status"] == "out of memory at epoch 1" and record["curve"] == []


def test_other_errors_are_not_results(train: Trainer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(classify.Precision, "loss", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        train(small_run())
    assert not (tmp_path / "a/out/record.json").exists()


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_serves(
    train: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    undisturbed = train(small_run(), "whole")
    with monkeypatch.context() as patch:
        kill_in_epoch(patch, 3)
        with pytest.raises(Killed):
            train(small_run())
    state = next((tmp_path / "a/work").glob("*/state.pt"))
    before, whole = state.with_name("state.previous.pt"), state.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for damage in (whole[: len(whole) // 2], whole[:-300] + bytes(100) + whole[-200:], b"", bytes(flipped)):
        state.write_bytes(damage)
        capsys.readouterr()
        found = checkpoint.newest(state)
        assert found is not None and len(found["history"]["curve"]) == 1
        assert "state.pt is damaged (" in (said := capsys.readouterr().out) and "the checkpoint before it" in said
    assert train(small_run())["checkpoints"] == in_folder(undisturbed, tmp_path, "whole", "a")
    assert "resumed after epoch 1 of 3" in capsys.readouterr().out
    state.write_bytes(b"")
    before.write_bytes(b"")
    assert checkpoint.newest(state) is None and "resuming from the start" in capsys.readouterr().out


def in_folder(record: dict[str, Any], tmp_path: Path, old: str, new: str) -> dict[str, Any]:
    """A record's checkpoints, as they would be in another folder."""
    folders = str(tmp_path / old), str(tmp_path / new)
    return {name: {**entry, "path": entry["path"].replace(*folders)} for name, entry in record["checkpoints"].items()}


def test_input_smaller_than_the_net_takes_is_one_clear_error(train: Trainer) -> None:
    run = small_run().model_copy(update={"model": "hadaptive_net_l"})
    with pytest.raises(UserError, match=r"hadaptive_net_l.*64.*32"):
        train(run)


def test_unknown_model_is_one_clear_error(train: Trainer) -> None:
    with pytest.raises(UserError, match=r"starnet_s1"):
        train(small_run().model_copy(update={"model": "starnet_s11", "options": {}}))


def test_bf16_and_plain_layout_train(train: Trainer) -> None:
    assert train(small_run(epochs=1, precision="bf16"), "bf16")["status"] == "done"
    assert train(small_run(epochs=1, channels_last=False), "nchw")["status"] == "done"


def test_prepared_data_that_changed_are_noticed(train: Trainer, digits: Path, tmp_path: Path) -> None:
    run = small_run(epochs=1)
    assert read_json(digits / "manifest.json")["num_classes"] == 10
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in digits.iterdir():
        (broken / file.name).write_bytes(file.read_bytes()[: -1 if file.name == "train_images.npy" else None])
    with pytest.raises(UserError, match=r"train_images\.npy"):
        work.once(classify.train, run, broken, tmp_path / "o", tmp_path / "w", device="cpu", threads=1, code="c")


@pytest.fixture
def own(tmp_path: Path, digits: Path) -> Path:
    """A copy of the data set, to change."""
    return Path(shutil.copytree(digits, tmp_path / "digits"))


def shift_labels(data: Path) -> None:
    labels = np.load(data / "train_labels.npy")
    np.save(data / "train_labels.npy", (labels + 1) % 10)


def test_what_was_trained_on_changed_data_is_never_recorded_or_taken(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, intact = small_run(epochs=1), (own / "train_labels.npy").read_bytes()

    def go() -> Any:
        return work.once(
            classify.train, run, own, tmp_path / "out", tmp_path / "work", device="cpu", threads=1, code="code"
        )

    changed = pytest.raises(
        DataError, match=r"train_labels\.npy was changed .*; `hadaptive data digits` makes the data"
    )
    shift_labels(own)
    with changed:
        go()
    (own / "train_labels.npy").write_bytes(intact)
    with monkeypatch.context() as patch, changed:
        whole = loop._epoch
        patch.setattr(loop, "_epoch", lambda *args, **words: (shift_labels(own), whole(*args, **words))[1])
        go()
    assert not list(tmp_path.rglob("record.json"))
    (own / "train_labels.npy").write_bytes(intact)
    assert not list(tmp_path.rglob("state*.pt")), "learned in part from the shifted labels"
    go()
    shift_labels(own)
    with changed:
        go()
