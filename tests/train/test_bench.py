"""The benchmark of the training loop, and what it compares the loop with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from hadaptive.cuda_graph import captured
from hadaptive.recipes import Recipe
from hadaptive.train.bench import loop_ratio
from hadaptive.train.loop import compiled


@pytest.mark.parametrize(("how", "mode"), [(True, None), ("graphs", "reduce-overhead")])
def test_a_recipe_says_how_its_model_is_compiled(monkeypatch: pytest.MonkeyPatch, how: Any, mode: str | None) -> None:
    asked = []
    monkeypatch.setattr(torch, "compile", lambda model, mode: asked.append(mode) or model)
    model = nn.Linear(2, 2)
    assert compiled(model, Recipe.model_validate({"compile": how}).compile) is model and asked == [mode]


def test_a_recipe_without_it_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", None)
    model = nn.Linear(2, 2)
    assert compiled(model, Recipe().compile) is model


def test_loop_and_bare_steps_are_measured_in_one_run(digits: Path) -> None:
    found = loop_ratio("mobilenetv3_small_100", digits, image_size=32, threads=1, rounds=1, steps=2, batch_size=8)
    assert found["ratio"] == pytest.approx(found["loop_images_per_s"] / found["bare_images_per_s"], rel=0.01)
    assert found["ratio_to_plain"] == pytest.approx(found["loop_images_per_s"] / found["plain_images_per_s"], rel=0.01)
    assert found["batch_size"] == 8 and found["compile"] is False


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
def test_a_captured_step_is_the_step() -> None:
    """Four steps of which one is replayed end with the weights of four that are not."""

    def weights(capture: bool) -> torch.Tensor:
        torch.manual_seed(0)
        model = nn.Linear(8, 8, device="cuda")
        optimizer = torch.optim.AdamW(model.parameters(), foreach=True, capturable=True)
        x = torch.ones(4, 8, device="cuda")

        def step() -> None:
            model(x).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

        if capture:
            captured(step).replay()
        else:
            for _ in range(4):
                step()
        return model.weight.detach()

    torch.testing.assert_close(weights(True), weights(False))
