"""Every module that the paper's code and ours share, against numbers that plain NumPy made (numbers/make.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hadaptive.nn import ach as ach_module
from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.blocks import GhostExpansion
from hadaptive.nn.hadaptive_net import ACH, Ghost, build_row
from hadaptive.nn.norms import NORMS
from hadaptive.nn.scores import SCORES
from hadaptive.nn.temperature import Temperature
from tests.nn.numbers import make


def numbers(name: str) -> Any:
    return json.loads((make.HERE / f"{name}.json").read_text())


def tensor(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def loaded(module: nn.Module, weights: dict[str, Any]) -> nn.Module:
    """The module in float64 with these weights; what else it has (counters, temperature) keeps its start."""
    missing, unexpected = module.double().load_state_dict({n: tensor(v) for n, v in weights.items()}, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") or ".temperature." in f".{name}" for name in missing)
    return module.eval()


def same(actual: Tensor, expected: Any) -> None:
    torch.testing.assert_close(actual.detach(), tensor(expected), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", make.MADE)
def test_the_files_are_what_the_script_makes(name: str) -> None:
    def check(made: Any, kept: Any) -> None:
        if isinstance(made, dict):
            assert made.keys() == kept.keys()
            for key in made:
                check(made[key], kept[key])
        elif made is None or None in np.ravel(np.array(made, dtype=object)):
            assert made == kept
        else:  # the last bit of an exponential is the platform's
            np.testing.assert_allclose(made, kept, rtol=1e-13, atol=1e-15)

    check(make.plain(make.MADE[name]()), numbers(name))
    assert {path.stem for path in Path(make.HERE).glob("*.json")} == set(make.MADE)


def test_ach_selects_multiplies_and_normalises_in_evaluation() -> None:
    given = numbers("ach")
    layer = loaded(AdaptiveCrossHadamard(5, given["k"]), given["weights"])
    same(layer(tensor(given["x"])), given["evaluation"])


@pytest.mark.parametrize("ste", ["paper", "released"])
@pytest.mark.parametrize("implementation", ["auto", "native"])
def test_ach_in_training_and_the_sign_of_its_straight_through_gradient(
    ste: str, implementation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = numbers("ach")
    monkeypatch.setattr(ach_module, "gumbel_like", lambda scores: tensor(given["noise"]))
    layer = loaded(AdaptiveCrossHadamard(5, given["k"], ste=ste, implementation=implementation), given["weights"])
    layer.train()
    assert layer.temperature.tau.item() == given["tau"]
    y = layer(tensor(given["x"]))
    same(y, given["training"])
    (y * tensor(given["dy"])).sum().backward()
    same(layer.score.weight.grad.flatten(), given["kernel_gradient"][ste])
    assert len({tuple(row) for row in given["index"]}) == 2, "each sample selects its own channels"


@pytest.mark.parametrize("name", ["dysoft", "dyalge", "dysig", "sigmoid"])
def test_curves_at_their_start_and_elsewhere(name: str) -> None:
    given = numbers("curves")
    x, norm = tensor(given["x"]), NORMS[name](3)
    start = norm.double()(x).detach()
    torch.testing.assert_close(start, tensor(given[name]["start"]), rtol=1e-7, atol=0)  # parameters start in float32
    other = {"alpha": [given["alpha"]], "weight": given["weight"], "bias": given["bias"]}
    same(loaded(norm, other)(x), given[name]["other"])


@pytest.mark.parametrize("name", ["crosshada", "crosshada_corrected"])
def test_crosshada_of_either_sign(name: str) -> None:
    given = numbers("crosshada")
    norm = loaded(NORMS[name](3), {"covariance": given["covariance"]})
    same(norm(tensor(given["products"]), tensor(given["mean"]), tensor(given["var"])), given[name])


@pytest.mark.parametrize("name", ["evaluation", "evaluation_relu6"])
def test_the_first_versions_evaluation_network(name: str) -> None:
    given = numbers("evaluation")
    network = loaded(SCORES[name](8), given["weights"])
    same(network(tensor(given["mean"]), lambda weight: weight), given[name])


@pytest.mark.parametrize("step", ["0.01", "0.005"])
def test_temperature_follows_algorithm_1(step: str) -> None:
    given = numbers("temperature")
    temperature, taus = Temperature(float(step)).double(), []
    for norm in given["norms"]:
        if norm is not None:
            temperature.watch(torch.zeros(1, dtype=torch.float64, requires_grad=True)).backward(tensor([norm]))
        taus.append(temperature.step().item())
    same(tensor(taus), given[step])


def test_the_ghost_module() -> None:
    given = numbers("ghost")
    same(loaded(GhostExpansion(3, given["expansion"]), given["weights"])(tensor(given["x"])), given["y"])


@pytest.mark.parametrize("kind", ["ach", "ghost"])
def test_the_bottlenecks_of_hadaptive_net(kind: str) -> None:
    given = numbers("bottlenecks")[kind]
    out, kernel, stride = len(given["weights"]["project.0.weight"]), given["kernel"], given["stride"]
    row = ACH(given["k"], out, kernel, stride) if kind == "ach" else Ghost(given["expansion"], out, kernel, stride)
    x = tensor(given["x"])
    same(loaded(build_row(row, x.shape[1]), given["weights"])(x), given["y"])
