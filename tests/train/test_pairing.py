"""Runs of one seed have as much in common as their models allow, so that comparisons of them are paired."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hadaptive.train import classify
from hadaptive.train.record import Job
from tests.train.test_classify import small_run


def weights(options: dict[str, str], seed: int = 0) -> dict[str, torch.Tensor]:
    """The initial weights as a training of that seed makes them."""
    torch.manual_seed(seed)
    run = small_run().model_copy(update={"options": options, "seed": seed})
    return classify.build(run, 10).state_dict()


@pytest.mark.parametrize("options", [{"norm": "dysig"}, {"norm": "dyalge"}, {"norm": "batchnorm"}])
def test_variants_of_a_model_start_with_the_same_weights(options: dict[str, str]) -> None:
    ours, theirs = weights({"norm": "dysoft"}), weights(options)
    shared = [name for name in ours if ".norm." not in name and name in theirs]
    assert len(shared) > 0.8 * len(ours)
    assert [name for name in shared if not torch.equal(ours[name], theirs[name])] == []
    other = weights({"norm": "dysoft"}, seed=1)
    assert not torch.equal(ours["features.0.0.weight"], other["features.0.0.weight"])


def test_all_models_see_the_same_images_in_the_same_order(digits: Path) -> None:
    def first(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        run, job = small_run().model_copy(update={"seed": seed}), Job(digits, digits, torch.device("cpu"), 1)
        batches, _ = classify.splits(run, job)
        torch.rand(seed + 3)  # models draw different numbers of random numbers before
        return next(iter(batches.epoch(2)))

    (x_BCHW, y_B), (again_BCHW, again_B) = first(0), first(0)
    torch.rand(5)
    assert torch.equal(x_BCHW, again_BCHW) and torch.equal(y_B, again_B)
    assert not torch.equal(y_B, first(1)[1])
