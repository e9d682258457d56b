"""Every model of Table 7 by name: recorded counts, a forward, the fused form."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest
import torch
from torch import nn

import hadaptive.nn
from hadaptive.nn.zoo import create_model, min_image_size, reparameterize

# name: parameters in millions at 100 classes as trained, and in the form for inference
PARAMETERS = {
    "mobilenetv3_small_100": (1.620, 1.620),
    "mobileone_s0": (4.371, 1.156),
    "mobileone_s1": (3.672, 3.612),
    "mobileone_s2": (6.041, 5.964),
    "mobileone_s3": (8.326, 8.234),
    "hadaptive_net_s": (2.103, 2.103),
    "hadaptive_net_m": (3.096, 3.096),
    "hadaptive_net_l": (6.111, 6.111),
    "shufflenet_v2_x1_0": (1.356, 1.356),
    "mobilenetv4_conv_small": (2.621, 2.621),
    "mobilenetv4_conv_medium": (8.563, 8.563),
    "mobilenetv4_conv_large": (31.438, 31.438),
    "starnet_s1": (2.695, 2.695),
    "starnet_s2": (3.451, 3.451),
    "starnet_s3": (5.519, 5.519),
    "starnet_s4": (7.251, 7.251),
    "ghostnet_100": (4.030, 4.030),
    "mobilenetv3_large_100": (4.330, 4.330),
    "ghostnetv3_100": (6.976, 4.995),
}


def published(table: str) -> list[dict[str, str]]:
    with (files("hadaptive.paper") / "published" / f"{table}.csv").open() as file:
        return list(csv.DictReader(file))


def millions(model: nn.Module) -> float:
    return round(sum(p.numel() for p in model.parameters()) / 1e6, 3)


def run_in(x: torch.Tensor, model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(x)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("starnet_s1", 2_678_708), ("starnet_s2", 3_434_372), ("starnet_s3", 5_494_340), ("starnet_s4", 7_216_772)],
)
def test_starnet_without_convolution_biases_has_the_parameters_that_the_paper_prints(
    name: str, parameters: int
) -> None:
    model = create_model(name, conv_bias=False)
    assert sum(p.numel() for p in model.parameters()) == parameters
    label = {line["model"]: line for line in published("table7")}[f"StarNet-S{name[-1]}"]
    assert round(parameters / 1e6, 2) == float(label["params_m"])
    torch.manual_seed(0)
    plain = create_model(name)
    torch.manual_seed(0)
    model = create_model(name, conv_bias=False)
    for module in plain.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.zeros_(module.bias)
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(run_in(x, model.eval()), run_in(x, plain.eval()))


def test_conv_bias_is_a_truth_value() -> None:
    with pytest.raises(ValueError, match="conv_bias='no'"):
        create_model("starnet_s1", conv_bias="no")


@pytest.mark.parametrize("name", PARAMETERS)
def test_builds_runs_and_fuses(name: str) -> None:
    model = create_model(name)
    for module in model.modules():  # running statistics that a fusion could get wrong unseen
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.2)
    fused = reparameterize(model)
    assert (millions(model), millions(fused)) == PARAMETERS[name]
    assert model.training
    assert not fused.training
    x = torch.randn(2, 3, 64, 64)
    expected = run_in(x, model.eval())
    assert expected.shape == (2, 100)
    torch.testing.assert_close(run_in(x, fused), expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())
    least = min_image_size(name)
    assert run_in(torch.randn(1, 3, least, least), model).shape == (1, 100)


@pytest.mark.parametrize("name", ["hadaptive_net_l", "ghostnetv3_100"])
def test_smallest_size_is_the_smallest(name: str) -> None:
    model = create_model(name).eval()
    with pytest.raises((ValueError, RuntimeError), match=r"at least|too small"):
        model(torch.randn(1, 3, min_image_size(name) - 1, min_image_size(name) - 1))


def test_reparameterize_leaves_the_original_alone() -> None:
    model = create_model("mobileone_s1")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    reparameterize(model)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("function", [create_model, min_image_size])
@pytest.mark.parametrize(
    ("name", "near"), [("hadaptive_net_x", "hadaptive_net_s"), ("mobilenetv3_smal_100", "mobilenetv3_small_100")]
)
def test_unknown_name_gets_the_nearest(function: type, name: str, near: str) -> None:
    with pytest.raises(ValueError, match=rf"'{name}'.*{near}"):
        function(name)


def test_options_reach_the_model() -> None:
    assert create_model("hadaptive_net_s", 10, norm="none", in_chans=1)(torch.randn(2, 1, 32, 32)).shape == (2, 10)
    assert create_model("ghostnet_100", 10, in_chans=1)(torch.randn(2, 1, 32, 32)).shape == (2, 10)


def test_exports_load_by_name() -> None:
    for name in dir(hadaptive.nn):
        assert getattr(hadaptive.nn, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing"):
        hadaptive.nn.nothing  # noqa: B018
