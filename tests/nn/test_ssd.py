"""SSD on the backbones of Table 6: maps, boxes, losses, detections."""

from __future__ import annotations

import math

import pytest
import torch

from hadaptive.nn.features import feature_maps
from hadaptive.nn.ssd import FocalSSD

BACKBONES = {  # strides and channels of the backbone's own maps
    "mobilenetv3_small_100": ([8, 16, 32], [24, 48, 576]),
    "mobilenetv2_100": ([8, 16, 32], [32, 96, 320]),
    "ghostnetv3_100": ([8, 16, 32], [40, 80, 160]),
    "hadaptive_net_s": ([8, 16, 32], [64, 96, 960]),
    "hadaptive_net_m": ([8, 16, 32], [80, 128, 960]),
    "hadaptive_net_l": ([8, 16, 32, 64], [96, 192, 256, 960]),
    "shufflenet_v2_x1_0": ([8, 16, 32], [116, 232, 1024]),  # torchvision's
}


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_gives_five_maps_and_six_boxes_a_location(name: str) -> None:
    torch.manual_seed(0)
    model = FocalSSD(feature_maps(name), 7).eval()
    assert (model.backbone.backbone.strides, model.backbone.backbone.out_channels) == BACKBONES[name]
    with torch.no_grad():
        maps = list(model.backbone(torch.rand(1, 3, 320, 320)).values())
        raw = model.head(maps)
    assert [each.shape[-1] for each in maps] == [40, 20, 10, 5, 3]
    boxes = 6 * (40**2 + 20**2 + 10**2 + 5**2 + 3**2)
    assert raw["cls_logits"].shape == (1, boxes, 7) and raw["bbox_regression"].shape == (1, boxes, 4)


def test_a_net_without_maps_is_refused() -> None:
    with pytest.raises(ValueError, match="mobilenet_v2 gives feature maps of strides"):
        feature_maps("mobilenet_v2")
    with pytest.raises(ValueError, match="a retrofitted net gives no feature maps"):
        feature_maps("mobilenetv3_small_100", retrofit="paper")
    with pytest.raises(ValueError, match="unknown model 'mobilenetv9'"):
        feature_maps("mobilenetv9")


def test_the_aspect_ratios_are_the_paper_s() -> None:
    model = FocalSSD(feature_maps("mobilenetv3_small_100"), 2)
    for pairs in model.anchor_generator._wh_pairs:
        assert sorted(round(float(w / h), 2) for w, h in pairs) == [0.33, 0.5, 1, 1, 2, 3]


@pytest.fixture
def small() -> FocalSSD:
    torch.manual_seed(0)
    return FocalSSD(feature_maps("mobilenetv3_small_100"), 3, image_size=64).double()


def test_the_losses_are_what_they_are_called(small: FocalSSD) -> None:
    """Focal loss (eq. 5 of Lin et al., 2017) and smooth L1, box by box."""
    anchors = torch.tensor([[0.0, 0, 10, 10], [20, 20, 40, 40], [50, 50, 60, 60]], dtype=torch.float64)
    logits, offsets = torch.randn(1, 3, 3, dtype=torch.float64), torch.randn(1, 3, 4, dtype=torch.float64)
    target = {"boxes": torch.tensor([[21.0, 19, 41, 42]], dtype=torch.float64), "labels": torch.tensor([2])}
    found = small.compute_loss(
        [target], {"cls_logits": logits, "bbox_regression": offsets}, [anchors], [torch.tensor([-1, 0, -1])]
    )
    expected = 0.0
    for box in range(3):
        for label in range(3):
            p = 1 / (1 + math.exp(-float(logits[0, box, label].float())))
            there = box == 1 and label == 2
            right, weight = (p, 0.25) if there else (1 - p, 0.75)
            expected -= weight * (1 - right) ** 2 * math.log(right)
    assert found["classification"].item() == pytest.approx(expected, rel=1e-5)
    # centre (31, 30.5) by (20, 23) against (30, 30) by (20, 20), with SSD's weights 10, 10, 5, 5
    wanted = [10 * 1 / 20, 10 * 0.5 / 20, 0.0, 5 * math.log(23 / 20)]
    gaps = [abs(a - b) for a, b in zip(offsets[0, 1].tolist(), wanted, strict=True)]
    smooth = sum(g - 0.5 if g > 1 else g * g / 2 for g in gaps)
    assert found["bbox_regression"].item() == pytest.approx(smooth, rel=1e-5)


def test_images_without_boxes_have_a_loss_and_gradients(small: FocalSSD) -> None:
    nothing = {"boxes": torch.zeros(0, 4, dtype=torch.float64), "labels": torch.zeros(0, dtype=torch.int64)}
    losses = small(torch.rand(2, 3, 64, 64, dtype=torch.float64), [nothing, nothing])
    assert losses["bbox_regression"] == 0 and losses["classification"] > 0
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in small.parameters())


def test_every_class_starts_near_a_probability_of_one_in_a_hundred(small: FocalSSD) -> None:
    scores = small.eval().raw(torch.rand(1, 3, 64, 64, dtype=torch.float64))["cls_logits"].sigmoid()
    assert scores.mean().item() == pytest.approx(0.01, abs=0.005)


def test_detections_are_the_best_boxes_of_each_class_once(small: FocalSSD) -> None:
    """Two boxes at one place are one detection of a class, and two of two classes."""
    anchors = torch.tensor([[8.0, 8, 24, 24], [9, 8, 25, 24], [40, 40, 56, 56]], dtype=torch.float64)
    logits = torch.full((1, 3, 3), -9.0)
    logits[0, 0, 0], logits[0, 1, 0], logits[0, 1, 2], logits[0, 2, 1] = 3.0, 2.0, 1.0, 0.5
    (found,) = small.postprocess_detections(
        {"cls_logits": logits, "bbox_regression": torch.zeros(1, 3, 4)}, [anchors], [(64, 64)]
    )
    assert found["labels"].tolist() == [0, 2, 1]
    assert found["scores"].tolist() == pytest.approx([float(torch.tensor(v).sigmoid()) for v in (3.0, 1.0, 0.5)])
    assert found["boxes"].round().tolist() == anchors.tolist()
