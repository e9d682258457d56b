"""The description of a net's layers is that of the net."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import nn

from hadaptive import cli
from hadaptive.measure.complexity import complexity
from hadaptive.measure.structure import layers
from hadaptive.nn.hadaptive_net import ACH, CNA, NETS, HadaptiveNet
from hadaptive.nn.zoo import create_model
from hadaptive.run import ModelMeasure


@pytest.mark.parametrize("name", NETS)
def test_layers_are_the_rows_the_net_was_built_from_and_add_up(name: str) -> None:
    net: Any = create_model(name, num_classes=10)
    counted, found = complexity(net, 64), layers(net, 64)
    assert sum(layer["macs"] for layer in found) == counted["macs"]
    assert sum(layer["parameters"] for layer in found) == counted["parameters"]
    assert len(found) == len(NETS[name]) + 1
    for row, layer, after in zip(NETS[name], found, found[1:], strict=False):
        assert (layer["out"], layer["kernel"], layer["stride"]) == (row.out, row.kernel, row.stride)
        assert layer["out"] == after["in"]
        if isinstance(row, CNA):
            assert (layer["module"], layer["act"]) == ("CNA", "HS" if row.act else None)
        elif isinstance(row, ACH):
            assert (layer["expansion"]["kind"], layer["expansion"]["k"]) == ("ACH", row.k)
            assert layer["width"] == layer["in"] + row.k * (row.k - 1) // 2
        else:
            assert layer["expansion"] == {
                "kind": "Ghost",
                "times": row.expansion,
                "s": layer["width"] // 2,
                "kernel": 3,
            }
    assert found[-1] | {"parameters": 0, "macs": 0} == {
        "layer": len(found) - 1,
        "module": "FN",
        "in": 960,
        "hidden": 1280,
        "out": 10,
        "dropout": 0.3,
        "size": 1,
        "parameters": 0,
        "macs": 0,
    }


def test_sizes_are_those_of_the_features() -> None:
    net: Any = create_model("hadaptive_net_s", num_classes=10).eval()
    sizes, x = [], torch.rand(1, 3, 70, 70)
    with torch.no_grad():
        for layer in net.features:
            x = layer(x)
            sizes.append(x.shape[-1])
    assert [layer["size"] for layer in layers(net, 70)[:-1]] == sizes


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({"norm": "batchnorm"}, {"norm": "BatchNorm2d"}),
        ({"pointwise": False}, {"pointwise": None}),
        ({"score": "learned"}, {"score": "LearnedScore", "score_kernel": None}),
        ({"selection": "fixed"}, {"selection": "fixed", "score": None, "score_kernel": None}),
        ({"norm": "crosshada", "product_of": "unnormalised"}, {"norm": "CrossHadaNorm", "product_of": "unnormalised"}),
    ],
)
def test_an_option_changes_what_it_names(options: dict[str, Any], changes: dict[str, Any]) -> None:
    rows = NETS["hadaptive_net_s"][5:7]
    usual, other = (layers(HadaptiveNet(rows, **given), 8)[1]["expansion"] for given in ({}, options))
    assert other == usual | changes and usual != other


def test_the_twin_without_ach_has_ghosts_alone() -> None:
    found = layers(HadaptiveNet(NETS["hadaptive_net_s"], all_ghost=True), 32)
    assert {layer["expansion"]["kind"] for layer in found if layer["module"] == "AB"} == {"Ghost"}


def test_another_layer_is_an_error() -> None:
    net = HadaptiveNet(NETS["hadaptive_net_s"])
    net.features[0] = nn.Conv2d(3, 32, 2, 2)
    with pytest.raises(TypeError, match="a Conv2d is not a layer of Hadaptive-Net"):
        layers(net, 32)


def test_the_verb_writes_the_record(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))
    settings = {"image_size": 32, "num_classes": 7}
    measure = ModelMeasure(scale="demo", kind="structure", model="hadaptive_net_s", variant="base", settings=settings)
    assert cli.main(["measure", measure.dumps()]) == 0
    written = json.loads((measure.folder / "record.json").read_text())
    assert written["id"] == "structure/hadaptive_net_s/base" and written["metrics"]["layers"][-1]["out"] == 7
