"""Training a detector for real on drawn shapes: the record, resuming to the same bits, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hadaptive.data import DataSettings, prepare
from hadaptive.errors import UserError
from hadaptive.recipes import DetectionRecipe
from hadaptive.records import sha256
from hadaptive.run import Detection
from hadaptive.train import detect, loop, work
from hadaptive.train.schedule import cosine

Trainer = Callable[..., dict[str, Any]]
SMALL = {
    "epochs": 2,
    "warmup_epochs": 1,
    "image_size": 64,
    "batch_size": 4,
    "train_examples": 12,
    "test_examples": 9,
    "lr": 0.1,
}


def small_run(model: str = "hadaptive_net_s", options: dict[str, Any] | None = None, **changes: Any) -> Detection:
    return Detection(
        scale="test",
        task="coco",
        model=model,
        variant="base",
        options=options or {},
        dataset="shapes",
        recipe=DetectionRecipe(**{**SMALL, **changes}),
        seed=0,
    )


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "shapes"
    prepare("shapes", folder, DataSettings())
    return folder


@pytest.fixture
def train(tmp_path: Path, shapes: Path) -> Trainer:
    def go(run: Detection, name: str = "a") -> dict[str, Any]:
        places = tmp_path / name / "out", tmp_path / name / "work"
        return dict(work.once(detect.train, run, shapes, *places, device="cpu", threads=1, code="code").raw)

    return go


class Killed(BaseException):
    """Stands for kill -9."""


def test_killed_and_resumed_gives_the_same_bits_and_the_record_says_everything(
    train: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(small_run(), "whole")
    epoch = loop._epoch

    def until(*args: Any, **kwargs: Any) -> Any:
        if args[5] == 2:
            raise Killed
        return epoch(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_epoch", until)
        with pytest.raises(Killed):
            train(small_run(), "killed")
    resumed = train(small_run(), "killed")
    assert sha256(tmp_path / "whole/out/last.pt") == sha256(tmp_path / "killed/out/last.pt")
    assert resumed["metrics"] == whole["metrics"]

    assert whole["status"] == "done" and len(whole["curve"]) == 2
    assert whole["data"]["train_examples"] == 12 and whole["data"]["test_examples"] == 9
    metrics = whole["metrics"]
    assert {"map_last", "miou_last", "train_map_last", "map_best_on_test"} <= set(metrics)
    assert metrics["parameters"] > metrics["parameters_backbone"] > 700_000 and metrics["macs"] > 0
    assert len(metrics["samples"]) == 8
    sample = metrics["samples"][0]
    assert Path(sample["image"]).is_file() and all(len(each["box"]) == 4 for each in sample["there"])
    scores = [each["score"] for each in sample["found"]]
    assert scores == sorted(scores, reverse=True)


def test_the_loss_falls(train: Trainer) -> None:
    """By far, as the same four images come at each of 20 steps: to a tenth, whatever the processor's rounding."""
    same = {"train_examples": 4, "hue": 0, "saturation": (1.0, 1.0), "expand": 1.0, "crop_iou": ()}
    run = small_run("mobilenetv3_small_100", epochs=20, lr=0.4, test_examples=2, **same)
    curve = train(run)["curve"]
    assert curve[-1]["train_loss"] < 0.5 * curve[0]["train_loss"]


def test_the_learning_rate_is_the_paper_s() -> None:
    """0.02 at batch 64, scaled linearly; 3 of 120 epochs of warm-up; a cosine that ends at 1e-5."""
    recipe = DetectionRecipe()
    said = {
        "epochs": 120,
        "batch_size": 64,
        "image_size": 320,
        "lr": 0.02,
        "lr_floor": 1e-5,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "warmup_epochs": 3,
        "gamma": 2.0,
        "alpha": 0.25,
        "hue": 18,
        "saturation": (0.5, 1.5),
        "expand": 2.0,
        "crop_iou": (0.1, 0.3, 0.5),
        "flip": False,
    }
    assert {name: getattr(recipe, name) for name in said} == said
    steps, warmup = 1200, recipe.warmup_epochs / recipe.epochs
    rates = [cosine(step, steps, peak=recipe.lr, warmup=warmup, floor=recipe.lr_floor) for step in range(steps)]
    assert max(rates) == rates[29] == rates[30] == 0.02 and rates[0] == pytest.approx(0.02 / 30)
    assert rates[-1] == pytest.approx(1e-5, rel=0.01)


def test_warm_up_must_end_before_the_training() -> None:
    with pytest.raises(ValueError, match=r"warmup_epochs \(3\) must be fewer than epochs \(3\)"):
        DetectionRecipe(epochs=3)


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("mobilenetv9", {}, "unknown model"),
        ("hadaptive_net_s", {"norm": "none_such"}, "none_such"),
        ("mobilenetv3_small_100", {"retrofit": "paper"}, "a retrofitted net gives no feature maps"),
    ],
)
def test_a_backbone_that_cannot_be_is_named(train: Trainer, model: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=rf"{model}, variant base: .*{said}.*; correct it in params\.yaml"):
        train(small_run(model, options))


def test_divergence_is_a_result(train: Trainer) -> None:
    record = train(small_run("mobilenetv3_small_100", lr=1e9))
    assert record["status"].startswith("diverged at epoch") and record["metrics"]["map_last"] is None
    assert record["metrics"]["samples"] == []


def test_multiply_accumulates_are_those_of_the_convolutions() -> None:
    model = detect.build(small_run("mobilenetv2_100"), 5)
    head = sum(9 * c * 6 * (5 + 4) * s * s for c, s in zip(model.backbone.out_channels, (8, 4, 2, 1, 1), strict=True))
    with torch.no_grad():
        model.head.classification_head = model.head.regression_head = torch.nn.Identity()
        model.head.forward = lambda maps: maps  # type: ignore[method-assign]
        rest = detect.multiply_accumulates(model, 64)
    assert detect.multiply_accumulates(detect.build(small_run("mobilenetv2_100"), 5), 64) == rest + head
