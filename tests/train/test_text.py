"""Training BERT for real on the embedded grammars: learning, resuming to the same bits, the record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from hadaptive.data import prepare
from hadaptive.errors import UserError
from hadaptive.recipes import TextRecipe
from hadaptive.record.trainings import Outcomes
from hadaptive.run import Text
from hadaptive.train import loop, text, work


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("text")
    for name in ("sentiment", "entailment"):
        prepare(name, root / name)
    return root


def small_run(task: str = "sst2", feed_forward: str = "bert", **changes: Any) -> Text:
    recipe = {"width": 32, "heads": 2, "word_pieces": 32, "lr": 2e-3, "train_examples": 300, **changes}
    return Text(
        scale="test",
        task=task,
        model="bert_6",
        variant="base",
        options={"feed_forward": feed_forward},
        dataset={"sst2": "sentiment", "mnli": "entailment"}[task],
        recipe=TextRecipe(**recipe),
        seed=0,
    )


def go(run: Text, data: Path, folder: Path) -> dict[str, Any]:
    places = data / run.dataset, folder / "out", folder / "work"
    return dict(work.once(text.train, run, *places, device="cpu", threads=1, code="code").raw)


@pytest.mark.parametrize("feed_forward", ["bert", "ach"])
def test_it_learns_and_the_record_says_everything(data: Path, tmp_path: Path, feed_forward: str) -> None:
    record = go(small_run(feed_forward=feed_forward, batch_size=16, train_examples=640), data, tmp_path)
    metrics = record["metrics"]
    assert record["status"] == "done" and metrics["top1_last"] > metrics["commonest_class"] + 15
    assert record["curve"][-1]["train_loss"] < record["curve"][0]["train_loss"]
    assert metrics["parameters"] == record["model"]["parameters"]
    assert (metrics["in_out_channels"], metrics["mid_channels"]) == (32, {"bert": 128, "ach": 32 + 45}[feed_forward])
    assert record["data"]["train_examples"] == 640 and record["data"]["test_examples"] == 300
    found = Outcomes.model_validate(record["outcomes"])
    assert found.examples == 300 and found.top1 == pytest.approx(metrics["top1_last"])
    assert len(found.top1_per_class) == 2 and found.top1_per_class != [found.top1] * 2
    assert len(record["curve"][0].get("tau", {})) == {"bert": 0, "ach": 6}[feed_forward]


def test_killed_and_resumed_gives_the_same_bits(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = small_run("mnli", "ach", epochs=2, train_examples=96)
    whole = go(run, data, tmp_path / "whole")
    epoch = loop._epoch

    class Killed(BaseException):
        pass

    def until(*args: Any, **kwargs: Any) -> Any:
        if args[5] == 2:
            raise Killed
        return epoch(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_epoch", until)
        with pytest.raises(Killed):
            go(run, data, tmp_path / "killed")
    torch.rand(7)  # the resumed process has another history
    resumed = go(run, data, tmp_path / "killed")
    assert resumed["checkpoints"]["last"]["sha256"] == whole["checkpoints"]["last"]["sha256"]


def test_the_rate_rises_and_falls_in_lines() -> None:
    rates = [text.decay(step, 100, peak=2.0, warmup=0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.2) and rates[9] == rates[10] == 2.0
    assert rates[55] == pytest.approx(1.0) and rates[99] == pytest.approx(2 / 90)


def test_no_decay_on_biases_and_norms(data: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.LayerNorm(3))
    with_decay, without = text.groups(model, 0.01)
    assert (len(with_decay["params"]), with_decay["weight_decay"]) == (1, 0.01)
    assert (len(without["params"]), without["weight_decay"]) == (3, 0.0)


def test_what_cannot_be_built_names_the_run(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"heads \(5\) must divide width \(32\)"):
        small_run(heads=5)
    with pytest.raises(UserError, match="bert_6, variant base: unknown feed-forward layer 'wide'"):
        go(small_run(feed_forward="wide"), data, tmp_path)
