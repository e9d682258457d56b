"""A search for real on the embedded digits: its record, resuming to the same bits, what it finds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hadaptive.errors import UserError
from hadaptive.run import Classification, Search
from hadaptive.search import train as searching
from hadaptive.search.found import NothingFound, settled
from hadaptive.search.genotype import agreement, by_chance, chosen
from hadaptive.space import Space
from hadaptive.train import classify, loop, work
from tests.records import put_sealed
from tests.train.test_classify import Killed, kill_in_epoch

Searcher = Callable[..., dict[str, Any]]


@pytest.fixture
def search(tmp_path: Path, digits: Path) -> Searcher:
    def go(run: Search, name: str = "a") -> dict[str, Any]:
        places = tmp_path / name / "out", tmp_path / name / "work"
        return dict(work.once(searching.train, run, digits, *places, device="cpu", threads=1, code="code").raw)

    return go


def test_the_record_holds_every_confidence_and_resumes_to_the_same_bits(
    search: Searcher, small_search: Callable[..., Search], monkeypatch: pytest.MonkeyPatch, space: Space
) -> None:
    whole = search(small_search(), "whole")
    assert whole["status"] == "done" and whole["id"] == "search/small/seed0"
    assert [entry["temperature"] for entry in whole["curve"]] == pytest.approx([4.0, 2.05, 0.1])
    for entry in whole["curve"]:
        assert set(entry["confidence"]) == {"1", "2", "3"}
        for layer, rivals in entry["confidence"].items():
            assert set(rivals) == set(space.layers[int(layer)].choose)
            assert sum(rivals.values()) == pytest.approx(100)
    assert whole["metrics"]["confidence"] == whole["curve"][-1]["confidence"] != whole["curve"][0]["confidence"]
    assert whole["metrics"]["chosen"] == chosen(space, whole["metrics"]["confidence"])
    counted = {"train_examples": 48, "held_out_examples": 48, "test_examples": 360}
    assert {name: whole["data"][name] for name in counted} == counted
    for epoch in (1, 2):
        with monkeypatch.context() as patch:
            kill_in_epoch(patch, epoch)
            with pytest.raises(Killed):
                search(small_search(), f"killed{epoch}")
        torch.rand(7)  # the resumed process has another history
        resumed = search(small_search(), f"killed{epoch}")
        assert resumed["checkpoints"]["last"]["sha256"] == whole["checkpoints"]["last"]["sha256"]
        assert resumed["metrics"] == whole["metrics"]
    assert search(small_search(seed=1), "other")["metrics"]["confidence"] != whole["metrics"]["confidence"]


def test_the_papers_protocol_takes_the_test_set(search: Searcher, small_search: Callable[..., Search]) -> None:
    record = search(small_search(epochs=1, protocol="paper", tau_decay="cosine"))
    assert record["status"] == "done"
    assert (record["data"]["train_examples"], record["data"]["held_out_examples"]) == (96, 360)


def test_divergence_is_a_result(
    search: Searcher, small_search: Callable[..., Search], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = loop._epoch

    def poisoned(model: Any, *args: Any, **kwargs: Any) -> Any:
        found = whole(model, *args, **kwargs)
        if args[4] == 2:
            with torch.no_grad():
                model.logits_LC.fill_(math.nan)
        return found

    monkeypatch.setattr(loop, "_epoch", poisoned)
    record = search(small_search())
    assert record["status"] == "diverged at epoch 2" and len(record["curve"]) == 1
    json.dumps(record, allow_nan=False)


def test_too_few_images_to_hold_out_is_one_clear_error(search: Searcher, small_search: Callable[..., Search]) -> None:
    with pytest.raises(UserError, match=r"held_out = 0\.01 of 96 images"):
        search(small_search(held_out=0.01))


def finished(folder: Path, space: Space, seed: int, ghost: float, status: str = "done") -> str:
    """A search's record: in layer 2 `ghost` percent for it, the rest for blank."""
    confidence = {
        "1": {"ghost": 60.0, "ach_k5": 40.0},
        "3": {"ghost": 10.0, "ach_k3": 90.0},
        "2": {"ghost": ghost, "ach_k3": 0.0, "ach_k5": 0.0, "blank": 100.0 - ghost},
    }
    metrics = {"confidence": confidence, "chosen": chosen(space, confidence)}
    name, run = f"search/small/seed{seed}", {"space": space.model_dump(mode="json")}
    put_sealed(
        folder,
        {
            "id": name,
            "scale": "demo",
            "status": status,
            "run": run,
            "metrics": metrics,
            "curve": [{"epoch": 1, "confidence": confidence}],
        },
    )
    return name


def test_the_net_found_is_that_of_the_mean_confidence_and_makes_the_key(
    tmp_path: Path, space: Space, digits: Path
) -> None:
    ids = [finished(tmp_path, space, seed, ghost) for seed, ghost in ((0, 100.0), (1, 20.0))]
    ids.append(finished(tmp_path, space, 2, 0.0, status="diverged at epoch 3"))
    planned = {"found_by": ids}
    options = settled(planned, "demo", tmp_path)
    assert [row["op"] for row in options["rows"]] == ["conv", "ghost", "ghost", "ach"]
    run = Classification(
        scale="demo",
        task="cifar100",
        model="hadaptive_net_found",
        variant="small",
        options=options,
        dataset="digits",
        recipe=classify.Recipe(epochs=1, image_size=32, batch_size=16, train_examples=32, flip=False),
        seed=0,
    )
    record = work.once(classify.train, run, digits, tmp_path / "o", tmp_path / "w", device="cpu", threads=1, code="c")
    assert record.status == "done" and record.run.options == options
    for seed in (0, 1):
        finished(tmp_path, space, seed, 10.0)  # now the mean prefers blank
    other = settled(planned, "demo", tmp_path)
    assert [row["op"] for row in other["rows"]] == ["conv", "ghost", "ach"]
    assert run.model_copy(update={"options": other}).key("d") != run.key("d")
    assert settled({"norm": "dysoft"}, "demo", tmp_path) == {"norm": "dysoft"}
    with pytest.raises(NothingFound, match=r"no net found \(search/small/seed2: diverged at epoch 3\)"):
        settled({"found_by": ids[2:]}, "demo", tmp_path)
    how = {"device": "cpu", "threads": 1, "code": "c", "skip": "no net found"}
    failed = work.once(classify.train, run, digits, tmp_path / "f", tmp_path / "w", **how)
    assert failed.status == "no net found" and failed.curve == [] and (tmp_path / "f/last.pt").exists()
    with pytest.raises(UserError, match=r"seed7/record.json is missing; run `hadaptive train search/small/seed7"):
        settled({"found_by": ["search/small/seed7"]}, "demo", tmp_path)


def test_agreement_of_seeds(space: Space) -> None:
    one, other = ["conv", "ghost", "blank", "ghost"], ["conv", "ghost", "ach_k3", "ghost"]
    assert agreement([one, one], [1, 2, 3]) == 100
    assert agreement([one, other], [1, 2, 3]) == pytest.approx(200 / 3)
    assert agreement([one, other, other], [2]) == pytest.approx(100 / 3)
    assert by_chance(space) == pytest.approx(100 * (1 / 2 + 1 / 4 + 1 / 2) / 3)
    with pytest.raises(ValueError, match="one seed"):
        agreement([one], [1])
