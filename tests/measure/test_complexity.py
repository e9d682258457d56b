from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import hadaptive.paper as paper
from hadaptive.measure.complexity import complexity
from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.zoo import create_model

# Parameters, multiply-accumulates (millions, 100 classes, 224 px); the training form's where it differs.
MODELS = {
    "hadaptive_net_s": (2.103, 131.0),
    "hadaptive_net_m": (3.096, 338.7),
    "hadaptive_net_l": (6.111, 668.9),
    "mobilenetv3_small_100": (1.620, 55.6),
    "mobilenetv3_large_100": (4.330, 215.4),
    "shufflenet_v2_x1_0": (1.356, 144.0),
    "mobilenetv4_conv_small": (2.621, 184.9),
    "mobilenetv4_conv_medium": (8.563, 826.5),
    "mobilenetv4_conv_large": (31.438, 2170.2),
    "starnet_s1": (2.695, 421.7),
    "starnet_s2": (3.451, 543.9),
    "starnet_s3": (5.519, 753.8),
    "starnet_s4": (7.251, 1049.3),
    "ghostnet_100": (4.030, 140.0),
    "ghostnetv3_100": (4.995, 165.9),
    "mobileone_s0": (1.156, 274.2),
    "mobileone_s1": (3.612, 823.9),
    "mobileone_s2": (5.964, 1296.6),
    "mobileone_s3": (8.234, 1893.9),
}
BRANCHED = {"ghostnetv3_100", "mobileone_s0", "mobileone_s1", "mobileone_s2", "mobileone_s3"}


@pytest.mark.parametrize("name", MODELS)
def test_zoo_costs_what_is_recorded(name: str) -> None:
    got = complexity(create_model(name, 100))
    parameters, macs = MODELS[name]
    assert round(got["parameters_inference"] / 1e6, 3) == parameters
    assert round(got["macs"] / 1e6, 1) == macs
    assert (got["macs_training_form"] > got["macs"]) == (name in BRANCHED)
    assert (got["parameters"] > got["parameters_inference"]) == (name in BRANCHED)
    assert (got["hadamard_products"] > 0) == name.startswith("hadaptive")


def test_ghostnetv3_before_its_branches_are_fused() -> None:
    got = complexity(create_model("ghostnetv3_100", 100))
    assert (round(got["parameters"] / 1e6, 3), round(got["macs_training_form"] / 1e6, 1)) == (6.976, 403.0)


def test_hadaptive_net_s_to_the_last_operation() -> None:
    got = complexity(create_model("hadaptive_net_s", 100))
    assert (got["parameters"], got["macs"]) == (2_102_632, 130_994_400)
    # Table 9: four ACH of 16 channels at 14 x 14, two of 32 at 7 x 7
    assert got["hadamard_products"] == 4 * 120 * 14**2 + 2 * 496 * 7**2


@pytest.mark.parametrize(
    ("table", "row", "name"),
    [
        ("table5", "MobileNetV3-S", "mobilenetv3_small_100"),
        ("table5", "MobileNetV4-S", "mobilenetv4_conv_small"),
        ("table5", "ShuffleNetV2-1.0", "shufflenet_v2_x1_0"),
        ("v1_table5", "MobileNetV3-L", "mobilenetv3_large_100"),
        ("v1_table5", "MobileNetV4-M", "mobilenetv4_conv_medium"),
        ("v1_table5", "MobileNetV4-L", "mobilenetv4_conv_large"),
    ],
)
def test_twice_thop_is_what_the_paper_prints(table: str, row: str, name: str) -> None:
    with Path(paper.__path__[0], "published", f"{table}.csv").open(encoding="utf-8") as file:
        printed = next(int(line["flops_m"]) for line in csv.DictReader(file) if line["model"] == row)
    assert 2 * complexity(create_model(name, 100))["macs_thop"] // 10**6 == printed


def test_every_key_by_hand() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),  # 8 x 4 x 4 outputs of 27 multiply-accumulates
        nn.BatchNorm2d(8),
        nn.Hardswish(inplace=True),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),  # 9 each
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )
    macs = 128 * 27 + 128 * 9 + 40
    parameters = 8 * 27 + 8 + 16 + 72 + 45
    assert complexity(net, 8) == {
        "parameters": parameters,
        "parameters_inference": parameters,
        "macs": macs,
        "macs_training_form": macs,
        "hadamard_products": 0,
        "macs_with_hadamard": macs,
        "flops": 2 * macs,
        "flops_all": 2 * macs + 2 * 128 + 128 + 128,  # batch norm, hardswish, pooling
        "macs_thop": macs + 4 * 128 + 128 + 8,
        "macs_thop_attention": macs + 4 * 128 + 128 + 8,
    }


def test_ach_by_hand() -> None:
    ach = AdaptiveCrossHadamard(3, 3)
    got = complexity(ach, 4)
    pixels, products = 16, 3 * 16
    assert got["hadamard_products"] == products
    assert got["macs"] == 3 * 3 * pixels + 3 * 5  # 1x1 convolution, ECA
    assert got["flops"] == 2 * got["macs"] + products
    batch_norm, mean, dysoft = 2 * 3 * pixels, 3 * pixels, 6 * products  # alpha u, |u|, 1 + |u|, quotient, w u, + b
    assert got["flops_all"] == got["flops"] + batch_norm + mean + dysoft


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(12)
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        tokens = self.norm(x_BCHW.reshape(len(x_BCHW), -1, 12))
        mixed: Tensor = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return mixed


def test_attention_counts_its_matrix_products() -> None:
    tokens, width = 3 * 8 * 8 // 12, 12
    got = complexity(_Attention(), 8)
    assert got["macs"] == 4 * tokens * width**2 + 2 * tokens**2 * width  # four projections, Q K' and A V
    assert got["macs_thop_attention"] == got["macs"] + 4 * tokens * width
    assert got["macs_thop"] == got["macs_thop_attention"] - 2 * tokens**2 * width, "thop does not see these"


# What thop 0.1.1 prints for timm's models at 224 px and 100 classes. It passes over their BatchNormAct2d.
@pytest.mark.parametrize(
    ("name", "thop"),
    [("mobilevit_s", 1_420_269_312), ("mobilevit_xs", 705_512_384), ("mobilevit_xxs", 256_888_960)],
)
def test_mobilevit_as_thop_counts_it_but_for_the_norms_that_it_passes_over(name: str, thop: int) -> None:
    model, passed_over = create_model(name, 100), 0

    def count(_: nn.Module, inputs: tuple[Tensor, ...], __: Tensor) -> None:
        nonlocal passed_over
        passed_over += inputs[0].numel()

    counts = complexity(model)
    for module in model.modules():
        if type(module).__name__ == "BatchNormAct2d":
            module.register_forward_hook(count)
    with torch.no_grad():
        model.to("meta").eval()(torch.empty(1, 3, 224, 224, device="meta"))
    assert counts["macs_thop"] - 4 * passed_over == pytest.approx(thop, rel=1e-3)  # it counts no mean as a pooling
    assert counts["macs_thop_attention"] > 1.05 * counts["macs_thop"]


def test_frozen_parameters_are_not_trainable_and_still_there() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1))
    net[0].requires_grad_(False)
    got = complexity(net, 4)
    assert (got["parameters"], got["parameters_inference"]) == (20, 36)


def test_the_model_is_left_alone() -> None:
    net = create_model("hadaptive_net_s", 10).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    complexity(net, 64)
    assert all(part.training and not part._forward_hooks for part in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(value.requires_grad for value in net.parameters())


def test_an_image_too_small_is_said() -> None:
    with pytest.raises(ValueError, match="64x64"):
        complexity(create_model("hadaptive_net_l", 10), 32)
