"""Variances of products (appendix A.2): formula, bound, and through the depth of a net as its modules see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from hadaptive.data import prepare
from hadaptive.data.settings import DataSettings
from hadaptive.measure import variance
from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.zoo import create_model
from hadaptive.run import Measure
from hadaptive.train import checkpoint


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    prepare("digits", tmp_path / "digits", DataSettings())
    variants = {}
    for norm in ("dysoft", "batchnorm"):
        torch.manual_seed(5)
        weights = checkpoint.weights(create_model("hadaptive_net_s", 10, norm=norm))
        checkpoint.save(tmp_path / f"{norm}.pt", weights)
        variants[norm] = {"options": {"norm": norm}, "weights": str(tmp_path / f"{norm}.pt")}
    settings = {
        "model": "hadaptive_net_s",
        "images": 8,
        "image_size": 32,
        "data": str(tmp_path / "digits"),
        "variants": variants,
    }
    return Measure(kind="variance", scale="demo", settings=settings)


def test_the_formula_is_right_and_its_error_is_that_of_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variance, "SAMPLES", 100_000)
    torch.manual_seed(1)
    for case in variance.formula():
        assert abs(case["measured"] - case["formula"]) < 4 * case["standard_error"]
        assert case["standard_error"] < 0.02 * case["formula"]


def test_dysoft_bounds_what_products_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variance, "SAMPLES", 100_000)
    found = variance.bound()
    assert all(case["dysoft"] < 1 for case in found)
    assert found[-1]["products"] > 1e11


def test_depth_is_what_the_modules_give(measure: Measure) -> None:
    found = variance.depth(measure)
    assert [(each["variant"], each["state"], each["layer"]) for each in found] == [
        (variant, state, n)
        for variant in ("dysoft", "batchnorm")
        for state in ("start", "trained")
        for n in range(1, 7)
    ]
    batchnorm = {each["layer"]: each for each in found if (each["variant"], each["state"]) == ("batchnorm", "start")}
    assert batchnorm[1]["normalised"]["median"] == pytest.approx(1, abs=1e-3), "batch statistics normalise the batch"

    seen: dict[str, Any] = {}
    ach = AdaptiveCrossHadamard(6, 3, selection="topk", norm="none").eval()
    x = torch.randn(4, 6, 5, 5)
    net = torch.nn.Sequential(ach)
    with torch.no_grad():
        (seen,) = variance._layers(net, x)
        products = ach(x)[:, 6:].double().var((0, 2, 3), correction=0)
    assert seen["products"] == seen["normalised"]
    assert seen["products"]["greatest"] == pytest.approx(products.max().item())
    assert seen["products"]["median"] == pytest.approx(products.median().item())


def test_what_is_not_finite_is_null_and_nets_that_are_not_there_are_left_out(measure: Measure) -> None:
    assert variance._spread(torch.full((2, 1, 2, 2), float("inf")))["median"] is None
    without = measure.model_copy(update={"settings": {**measure.settings, "variants": {}}})
    assert variance.depth(without) == []
