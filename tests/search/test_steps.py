"""Temperatures, batches and the two alternating steps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hadaptive.data.batches import open_batches
from hadaptive.recipes import SearchRecipe
from hadaptive.run import Search
from hadaptive.search.steps import Alternation, Inputs, SearchBatches, temperature
from hadaptive.search.supernet import SuperNet
from hadaptive.search.train import optimisers
from hadaptive.train.classify import Precision

DECAYS = ("linear", "exponential", "cosine")


@given(decay=st.sampled_from(DECAYS), epochs=st.integers(2, 300))
def test_the_temperature_falls_from_4_to_a_tenth(decay: str, epochs: int) -> None:
    recipe = SearchRecipe.model_validate({"epochs": epochs, "tau_decay": decay})
    taus = [temperature(epoch, recipe) for epoch in range(1, epochs + 1)]
    assert taus[0] == pytest.approx(4.0) and taus[-1] == pytest.approx(0.1)
    assert all(after < before for before, after in itertools.pairwise(taus))


def test_the_three_decays_halfway() -> None:
    """Appendix A.1 at e = E/2."""
    half = {decay: temperature(6, SearchRecipe.model_validate({"epochs": 11, "tau_decay": decay})) for decay in DECAYS}
    assert half == pytest.approx({"linear": 2.05, "exponential": math.sqrt(0.4), "cosine": 2.05})
    quarter = temperature(3, SearchRecipe.model_validate({"epochs": 9, "tau_decay": "cosine"}))
    assert quarter == pytest.approx(0.1 + 1.95 * (1 + math.sqrt(0.5)))


def test_defaults_are_the_papers() -> None:
    recipe = SearchRecipe.model_validate({})
    said = {
        "epochs": 250,
        "batch_size": 64,
        "lr": 3e-3,
        "weight_decay": 1e-4,
        "lr_architecture": 3e-4,
        "clip": 1.0,
        "tau_max": 4.0,
        "tau_min": 0.1,
        "warmup": 0.0,
    }
    assert {name: getattr(recipe, name) for name in said} == said


def test_held_out_images_are_others_and_start_again(digits: Path) -> None:
    whole = open_batches(digits, "train", image_size=32, batch_size=16, train=True, examples=100, pad=0, flip=False)
    train, held = whole.divided(0.3)
    assert (train.examples, held.examples, whole.examples) == (70, 30, 100)
    assert sorted([*train.subset.tolist(), *held.subset.tolist()]) == whole.subset.tolist()
    assert torch.bincount(held.source.labels[held.subset]).tolist() == [3] * 10
    batches = SearchBatches(train, held, SearchRecipe.model_validate({"epochs": 3}))
    assert batches.steps == 5
    first, again = (list(batches.epoch(2)) for _ in range(2))
    assert len(first) == 5 and sum(len(y) for _, y in first) == 70
    for (one, y), (other, y_again) in zip(first, again, strict=True):
        assert torch.equal(y, y_again) and torch.equal(one.x_BCHW, other.x_BCHW)
        assert torch.equal(one.held_x_BCHW, other.held_x_BCHW) and one.tau == other.tau == pytest.approx(2.05)
    with pytest.raises(ValueError, match="batches of 2 or more"):
        whole.divided(0.001)


def test_each_step_moves_its_own_parameters_alone(small_search: Callable[..., Search]) -> None:
    recipe = small_search().recipe
    net = SuperNet(small_search().space, 10)
    _, architecture = optimisers(net, recipe)
    alternation = Alternation(architecture, Precision(torch.device("cpu"), "fp32"), recipe.clip)
    x_BCHW, y_B = torch.randn(8, 3, 16, 16), torch.arange(8)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    alternation.architecture_step(net, x_BCHW, y_B, 1.0)
    moved = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"logits_LC"}, "no weight and no running statistic"
    assert net.training and all(parameter.grad is None for parameter in net.parameters())
    change_LC = (net.logits_LC - before["logits_LC"]).abs()
    assert change_LC[~net.present_LC].max() == 0 and change_LC[0].max() == 0
    assert change_LC.max() <= recipe.lr_architecture * 1.001, "AdamW's first step is at most its rate"
    logits_LC = net.logits_LC.detach().clone()
    loss, right = alternation.loss(net, Inputs(x_BCHW, x_BCHW, y_B, 1.0), y_B)
    assert not torch.equal(net.logits_LC, logits_LC) and 0 <= right <= 8
    loss.backward()  # type: ignore[no-untyped-call]
    assert net.logits_LC.grad is None and any(weight.grad is not None for weight in net.weights())
