"""The recipe option that trains as the authors' code does, and that nothing else changes with it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.temperature import Temperature
from hadaptive.nn.zoo import create_model
from hadaptive.recipes import Recipe, SearchRecipe
from hadaptive.run import Classification, Search
from hadaptive.search import train as searching
from hadaptive.search.steps import temperature
from hadaptive.search.supernet import SuperNet
from hadaptive.study.runs import trainer_code
from hadaptive.train import classify, work
from hadaptive.train.loop import Schedule
from tests.search.conftest import SMALL


def a_run(model: str, released: bool = True, **options: Any) -> Classification:
    return Classification(
        scale="test",
        task="cifar100",
        model=model,
        variant="base",
        options=options,
        dataset="digits",
        recipe=Recipe.model_validate({"image_size": 64, "as_released": released}),
        seed=0,
    )


def built(model: str, released: bool = True, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return classify.build(a_run(model, released, **options), 10)


def test_without_it_a_run_and_its_model_are_as_before() -> None:
    plain, released = a_run("mobilenetv3_small_100", False), a_run("mobilenetv3_small_100")
    assert "as_released" not in plain.dumps() and '"as_released":true' in released.dumps()
    assert plain == Classification.model_validate_json(plain.dumps()) and plain.key("") != released.key("")
    assert "hadaptive.train.as_released" not in trainer_code(plain)
    assert "hadaptive.train.as_released" in trainer_code(released)
    assert "as in the authors' code" in released.recipe.about() and "authors" not in plain.recipe.about()
    torch.manual_seed(0)
    expected = create_model("mobilenetv3_small_100", num_classes=10).state_dict()
    model = built("mobilenetv3_small_100", released=False)
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("name", "rate"), [("mobilenetv3_small_100", 0.3), ("mobilenetv4_conv_small", 0.3), ("starnet_s1", 0.0)]
)
def test_dropout_before_the_classifier(name: str, rate: float) -> None:
    assert built(name, released=False).drop_rate == 0.0
    assert built(name).drop_rate == rate


def test_dropout_in_mobilevit_is_that_of_the_authors_build() -> None:
    rates = {}
    for name, module in built("mobilevit_xxs", retrofit="paper").named_modules():
        if isinstance(module, nn.Dropout) and "transformer" in name:
            rates.setdefault(".".join(name.split(".")[-2:]), set()).add(module.p)
    assert rates == {"attn.attn_drop": {0.1}, "attn.proj_drop": {0.0}, "mlp.drop1": {0.0}, "mlp.drop2": {0.0, 0.1}}


def test_weights_start_from_xavier_and_linear_biases_from_zero() -> None:
    for released in (True, False):
        model = built("mobilenetv3_small_100", released)
        (hidden,) = (m for name, m in model.named_modules() if name == "blocks.4.1.conv_pw")
        assert isinstance(hidden, nn.Conv2d)
        xavier = math.sqrt(2 / (hidden.in_channels + hidden.out_channels))
        assert (abs(hidden.weight.std().item() / xavier - 1) < 0.02) is released
        bias = built("shufflenet_v2_x1_0", released).fc.bias  # timm's biases are zero in any case
        assert isinstance(bias, nn.Parameter) and bool(torch.count_nonzero(bias)) is not released


def test_mobilevit_keeps_its_own_start() -> None:
    plain, released = (built("mobilevit_xxs", each).state_dict() for each in (False, True))
    assert all(torch.equal(value, released[name]) for name, value in plain.items())


def test_the_softmax_has_tau_from_before_the_update() -> None:
    model = built("hadaptive_net_s")
    layers = [module for module in model.modules() if isinstance(module, AdaptiveCrossHadamard)]
    late = layers[0].temperature
    assert late is not None and set(model.state_dict()) == set(built("hadaptive_net_s", False).state_dict())
    plain, used = Temperature(0.01), []
    for norm in (1.0, 0.5, 0.25, 0.125):
        for each in (plain, late):
            each.grad_norm.fill_(norm)
        used.append((plain.step().item(), late.step().item()))
        assert torch.equal(plain.tau, late.tau), "the sequence is the same"
    first, second = zip(*used, strict=True)
    assert second == (4.0, *first[:-1]) and first == tuple(sorted(first, reverse=True)) and first[-1] < 3.9
    assert all(type(layer.temperature) is type(late) for layer in layers)


def searched(digits: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **recipe: Any) -> tuple[SuperNet, Schedule]:
    """The net and the schedule that a search hands to `fit`."""
    given: list[Any] = []

    class Asked(Exception):
        pass

    def fit(net: SuperNet, *others: Any, **_: Any) -> None:
        given.extend((net, next(each for each in others if isinstance(each, Schedule))))
        raise Asked

    monkeypatch.setattr(searching, "fit", fit)
    run = Search.model_validate(
        {
            "scale": "test",
            "task": "search",
            "model": "hadaptive_net",
            "variant": "small",
            "dataset": "digits",
            "seed": 0,
            "space": SMALL,
            "recipe": {"epochs": 3, "image_size": 32, "batch_size": 16, "train_examples": 96, **recipe},
        }
    )
    with pytest.raises(Asked):
        work.once(
            searching.train, run, digits, tmp_path / "out", tmp_path / "work", device="cpu", threads=1, code="code"
        )
    return given[0], given[1]


def test_a_search_clips_the_architecture_alone_and_starts_it_wider(
    digits: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain, released = (searched(digits, monkeypatch, tmp_path / str(each), as_released=each) for each in (False, True))
    assert (plain[1].clip, released[1].clip) == (1.0, None)
    spreads = [net.logits_LC.detach()[net.present_LC].std().item() for net, _ in (plain, released)]
    assert 1e-4 < spreads[0] < 1e-2 < 0.03 < spreads[1] < 0.3
    layers = [module for module in released[0].modules() if isinstance(module, AdaptiveCrossHadamard)]
    assert layers and all(type(layer.temperature) is not Temperature for layer in layers)


def test_tau_of_a_search_decays_as_a_cosine_unless_told_otherwise() -> None:
    given: Callable[..., SearchRecipe] = lambda **changes: SearchRecipe.model_validate({"epochs": 5, **changes})  # noqa: E731
    assert given().tau_decay == "linear" and given(as_released=True).tau_decay == "cosine"
    assert given(as_released=True, tau_decay="linear").tau_decay == "linear"
    assert temperature(2, given(as_released=True)) > temperature(2, given())
    dumped = given(as_released=True).model_dump(mode="json")
    assert SearchRecipe.model_validate(json.loads(json.dumps(dumped))) == given(as_released=True)
    assert "as_released" not in given().model_dump(mode="json")
