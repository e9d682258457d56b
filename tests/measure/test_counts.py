"""Counts of detectors and text models without data: equal to those of the models as they are trained."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor, nn

from hadaptive.errors import UserError
from hadaptive.measure import detectors, text_models
from hadaptive.nn import ssd
from hadaptive.nn.features import FeatureMaps
from hadaptive.nn.text import TextClassifier
from hadaptive.record.kinds import kind_of
from hadaptive.record.measures import DetectorsRecord, TextModelsRecord
from hadaptive.run import Measure


def _small_backbone(name: str, **options: Any) -> FeatureMaps:
    """Return two convolutions: 8 channels at stride 8, 16 at stride 16."""

    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 8, 8, stride=8), nn.Conv2d(8, 16, 2, stride=2)

        def forward(self, x_BCHW: Tensor) -> list[Tensor]:
            first = self.first(x_BCHW)
            return [first, self.second(first)]

    return FeatureMaps(Body(), [0, 1], [8, 16], [8, 16])


def test_the_counts_of_a_detector_are_those_of_all_its_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detectors, "feature_maps", _small_backbone)
    monkeypatch.setattr(ssd, "EXTRA_WIDTHS", {32: 4, 64: 4, 128: 4})
    settings = {"models": {"small": {"base": {}}}, "num_classes": 2, "image_size": 64}
    record = detectors.record(Measure(kind="detectors", scale="demo", settings=settings))
    assert kind_of(record) is DetectorsRecord and DetectorsRecord.of(record).status == "done"
    found = record["metrics"]["models"]["small"]["base"]
    backbone = (3 * 64 + 1) * 8 + (8 * 4 + 1) * 16
    # each extra: 1x1 convolution to 2 channels, 3x3 to 4, both with batch norm; head: 3x3, six boxes of 2 classes + 4
    inputs, widths, sides = (16, 4, 4), (8, 16, 4, 4, 4), (8, 4, 2, 1, 1)
    extras = sum(2 * (width + 2) + 4 * (2 * 9 + 2) for width in inputs)
    head = sum(6 * (2 + 4) * (9 * width + 1) for width in widths)
    assert found["parameters_backbone"] == backbone and found["parameters"] == backbone + extras + head
    convolved = 3 * 64 * 8 * 8**2 + 8 * 4 * 16 * 4**2
    convolved += sum(
        2 * width * before**2 + 4 * 2 * 9 * after**2
        for width, before, after in zip(inputs, sides[1:-1], sides[2:], strict=True)
    )
    convolved += sum(6 * (2 + 4) * 9 * width * side**2 for width, side in zip(widths, sides, strict=True))
    assert found["macs_training_form"] == convolved


@pytest.mark.parametrize(
    "options", [{}, {"feed_forward": "two_thirds"}, {"feed_forward": "fixed"}, {"feed_forward": "ach"}]
)
def test_the_counts_of_a_text_model_are_those_of_the_model_that_is_trained(options: dict[str, Any]) -> None:
    shape = {"classes": 2, "vocabulary": 50, "width": 32, "heads": 2}
    settings = {"models": {"bert_6": {"base": options}}, **shape}
    record = text_models.record(Measure(kind="text_models", scale="demo", settings=settings))
    assert kind_of(record) is TextModelsRecord and TextModelsRecord.of(record).status == "done"
    model = TextClassifier("bert_6", **shape, **options)
    linear: Any = model.bert.bert.encoder.layer[0].output.dense
    assert record["metrics"]["models"]["bert_6"]["base"] == {
        "parameters": sum(p.numel() for p in model.parameters()),
        "in_out_channels": linear.out_features,
        "mid_channels": linear.in_features,
    }


def _unknown(name: str, **options: Any) -> None:
    raise ValueError(f"unknown model {name!r}")


def test_a_model_that_cannot_be_built_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"bert_7, variant base: unknown net 'bert_7'.*params.yaml"):
        text_models.counts("bert_7", "base", {}, classes=2, vocabulary=50, width=32, heads=2)
    monkeypatch.setattr(detectors, "feature_maps", _unknown)
    with pytest.raises(UserError, match=r"no_such_model, variant base: unknown model.*params.yaml"):
        detectors.counts("no_such_model", "base", {}, num_classes=2, image_size=64)
