"""SSD on any backbone (section 5.4, appendix A.4): torchvision's, with focal loss.

Where appendix A.4 contradicts itself:

- It wants maps of strides 8, 16, 32, 64, 128 and of 38x38 to 1x1. At 320 px these strides give 40, 20, 10, 5 and 3 (38
  to 1 are SSD300's six). The strides are followed; a map's default boxes are spread evenly over the image.
- It wants them from "five backbone stages", and every model but Hadaptive-Net-L ends at stride 32. As in SSD, what is
  missing is made by extra layers: 1x1 convolution to half the width, 3x3 at stride 2 to 512 (stride 64), 256 (128).
- Six boxes per location and five aspect ratios agree: 1:1 stands at two scales, as in SSD.

What it leaves open is torchvision's: scales evenly from 0.15 to 0.9, matching at an IoU of 0.5, the box coding.
Scores are sigmoids of each class, as focal loss has it (Lin et al., 2017), so there is no class for the background; the
last layer starts near a probability of 0.01 for every class, as there.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD
from torchvision.ops import Conv2dNormActivation, batched_nms, clip_boxes_to_image, sigmoid_focal_loss

from hadaptive.nn.features import FeatureMaps

STRIDES = (8, 16, 32, 64, 128)
EXTRA_WIDTHS = {64: 512, 128: 256}  # of layers for the strides that a backbone lacks, as in torchvision's SSDLite320
ASPECT_RATIOS = (2, 3)  # and their inverses, beside 1:1 at two scales: six boxes
PRIOR = 0.01

Targets = list[dict[str, Tensor]]


class Pyramid(nn.Module):
    """A backbone's maps, and extra layers for the strides of `STRIDES` it lacks."""

    def __init__(self, backbone: FeatureMaps) -> None:
        super().__init__()
        self.backbone = backbone
        self.out_channels = list(backbone.out_channels)
        self.missing = STRIDES[len(backbone.strides) :]
        extras = []
        for stride in self.missing:
            width = EXTRA_WIDTHS[stride]
            extras.append(
                nn.Sequential(
                    Conv2dNormActivation(self.out_channels[-1], width // 2, 1),
                    Conv2dNormActivation(width // 2, width, 3, stride=2),
                )
            )
            self.out_channels.append(width)
        self.extras = nn.ModuleList(extras)

    def forward(self, x_BCHW: Tensor) -> OrderedDict[str, Tensor]:
        maps: OrderedDict[str, Tensor] = self.backbone(x_BCHW)
        for stride, extra in zip(self.missing, self.extras, strict=True):
            maps[str(stride)] = extra(next(reversed(maps.values())))
        return maps


class FocalSSD(SSD):  # type: ignore[misc]  # torchvision has no types
    """torchvision's SSD with sigmoid focal loss in place of cross-entropy over mined negatives.

    In training `model(images, targets)` returns the losses "classification" and "bbox_regression": the sum over an
    image divided by its number of matched default boxes, averaged over images, as in torchvision's RetinaNet. (SSD
    divides by the matches of the whole batch, which several GPUs would have to agree on at every step.)

    Else `model(images)` returns for each image boxes [N, 4] (x1, y1, x2, y2 in its pixels), scores [N], labels [N],
    best first. Images are in [0, 1]; labels from 0.
    """

    def __init__(
        self,
        backbone: FeatureMaps,
        num_classes: int,
        *,
        image_size: int = 320,
        gamma: float = 2.0,
        alpha: float = 0.25,
        detections_per_image: int = 100,
    ) -> None:
        boxes = DefaultBoxGenerator([list(ASPECT_RATIOS) for _ in STRIDES])
        super().__init__(
            Pyramid(backbone),
            boxes,
            (image_size, image_size),
            num_classes,
            detections_per_img=detections_per_image,
            topk_candidates=1000,
        )
        self.gamma, self.alpha = gamma, alpha
        for layer in self.head.classification_head.module_list:
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.bias, -math.log((1 - PRIOR) / PRIOR))

    def raw(self, x_BCHW: Tensor) -> dict[str, Tensor]:
        """Compute what the model itself does, without boxes: class logits [B, A, classes], box regression [B, A, 4]."""
        return self.head(list(self.backbone(x_BCHW).values()))  # type: ignore[no-any-return]

    def compute_loss(
        self, targets: Targets, head_outputs: dict[str, Tensor], anchors: list[Tensor], matched_idxs: list[Tensor]
    ) -> dict[str, Tensor]:
        logits_BAK, offsets_BA4 = head_outputs["cls_logits"].float(), head_outputs["bbox_regression"].float()
        wanted_BAK = torch.zeros_like(logits_BAK)
        matches, offsets = [], []
        for n, (target, anchors_A4, matched_A) in enumerate(zip(targets, anchors, matched_idxs, strict=True)):
            (found_F,) = torch.where(matched_A >= 0)
            which_F = matched_A[found_F]
            wanted_BAK[n, found_F, target["labels"][which_F]] = 1
            encoded_F4 = self.box_coder.encode_single(target["boxes"][which_F], anchors_A4[found_F])
            offsets.append(F.smooth_l1_loss(offsets_BA4[n, found_F], encoded_F4, reduction="sum"))
            matches.append(max(1, len(found_F)))
        matches_B = torch.tensor(matches, device=logits_BAK.device)
        focal_BAK = sigmoid_focal_loss(logits_BAK, wanted_BAK, alpha=self.alpha, gamma=self.gamma)
        return {
            "bbox_regression": (torch.stack(offsets) / matches_B).mean(),
            "classification": (focal_BAK.sum((1, 2)) / matches_B).mean(),
        }

    def postprocess_detections(
        self, head_outputs: dict[str, Tensor], image_anchors: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> Targets:
        scores_BAK, offsets_BA4 = head_outputs["cls_logits"].float().sigmoid(), head_outputs["bbox_regression"].float()
        classes, detections = scores_BAK.shape[-1], []
        for scores_AK, offsets_A4, anchors_A4, shape in zip(
            scores_BAK, offsets_BA4, image_anchors, image_shapes, strict=True
        ):
            flat = scores_AK.flatten()
            scores_N, best_N = flat.topk(min(self.topk_candidates, len(flat)))
            best_N = best_N[scores_N > self.score_thresh]
            scores_N, labels_N, anchor_N = flat[best_N], best_N % classes, best_N // classes
            boxes_N4 = clip_boxes_to_image(
                self.box_coder.decode_single(offsets_A4[anchor_N], anchors_A4[anchor_N]), shape
            )
            kept = batched_nms(boxes_N4, scores_N, labels_N, self.nms_thresh)[: self.detections_per_img]
            detections.append({"boxes": boxes_N4[kept], "scores": scores_N[kept], "labels": labels_N[kept]})
        return detections
