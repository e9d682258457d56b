"""Mean average precision and mean IoU of detections, by COCO's own evaluator."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

MATCHED_AT = 0.5


@dataclass(frozen=True)
class Detections:
    """The detections on one image: boxes (N, 4) x1, y1, x2, y2 in its pixels, scores (N,), classes (N,) from 0."""

    boxes: NDArray[np.floating]
    scores: NDArray[np.floating]
    classes: NDArray[np.int64]


@dataclass(frozen=True)
class GroundTruth:
    """The objects of one image: as `Detections`, with `crowds` (N,) instead of scores."""

    boxes: NDArray[np.floating]
    classes: NDArray[np.int64]
    crowds: NDArray[np.bool_]


def evaluate(
    detections: Sequence[Detections], ground_truth: Sequence[GroundTruth], num_classes: int
) -> dict[str, float | int | None]:
    """Return the metrics of detections over all images, in percent.

    `map`: COCO's mAP@[.5:.95], average precision averaged over IoU thresholds 0.5, 0.55, ... 0.95 and over the classes
    that have objects, of at most 100 detections per image; `map_50`, `map_75`: at one threshold. None without objects.

    `miou`: the mean IoU of matched detections. A detection is matched as COCO's evaluator does at a threshold of 0.5:
    within an image and a class, by falling score, each takes the object not yet taken that it overlaps most, if the IoU
    is 0.5 or more; those taken by crowds are left out. The mean is over all matched pairs of all images and classes,
    each counting once, whatever its score. `matched` is how many there are; without one `miou` is None. (The paper says
    only "mIOU". It is blind to objects missed and to false alarms, and by definition between 50 and 100.)

    Raises ValueError where the two sequences differ in length.
    """
    if len(detections) != len(ground_truth):
        raise ValueError(f"detections of {len(detections)} images for {len(ground_truth)} images")
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports on standard output
        truth = _truth(ground_truth, num_classes)
        rows = [
            (n + 1, x1, y1, x2 - x1, y2 - y1, score, label + 1)
            for n, image in enumerate(detections)
            for (x1, y1, x2, y2), score, label in zip(image.boxes, image.scores, image.classes, strict=True)
        ]
        if not rows or not truth.anns:
            return {
                "map": 0.0 if truth.anns else None,
                "map_50": 0.0 if truth.anns else None,
                "map_75": 0.0 if truth.anns else None,
                "miou": None,
                "matched": 0,
            }
        judge = COCOeval(truth, truth.loadRes(np.array(rows, np.float64)), "bbox")
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
        judge.accumulate()
    precision_TRKAM = judge.eval["precision"]
    overlaps = _matched(judge)
    return {
        "map": _percent(precision_TRKAM[..., -1]),
        "map_50": _percent(precision_TRKAM[:1, ..., -1]),
        "map_75": _percent(precision_TRKAM[5:6, ..., -1]),
        "miou": 100 * float(np.mean(overlaps)) if overlaps else None,
        "matched": len(overlaps),
    }


def _truth(ground_truth: Sequence[GroundTruth], num_classes: int) -> Any:
    truth = COCO()
    objects = [
        {
            "image_id": n + 1,
            "category_id": int(label) + 1,
            "iscrowd": int(crowd),
            "area": (x2 - x1) * (y2 - y1),
            "bbox": [x1, y1, x2 - x1, y2 - y1],
        }
        for n, image in enumerate(ground_truth)
        for (x1, y1, x2, y2), label, crowd in zip(image.boxes.tolist(), image.classes, image.crowds, strict=True)
    ]
    truth.dataset = {
        "info": {},
        "images": [{"id": n + 1} for n in range(len(ground_truth))],
        "categories": [{"id": n + 1} for n in range(num_classes)],
        "annotations": [{"id": n, **entry} for n, entry in enumerate(objects, start=1)],  # 0 would say "no match"
    }
    truth.createIndex()
    return truth


def _percent(precision: NDArray[np.float64]) -> float | None:
    """Return the mean of the precisions that exist: COCO writes -1 where a class has no object."""
    known = precision[precision > -1]
    return 100 * float(known.mean()) if known.size else None


def _matched(judge: Any) -> list[float]:
    """IoUs of the matched pairs at the first threshold."""
    assert judge.params.iouThrs[0] == MATCHED_AT
    overlaps: list[float] = []
    for matches in filter(None, judge.evalImgs):
        iou_DG = judge.ious[matches["image_id"], matches["category_id"]]
        # the evaluator computes IoUs with objects in the file's order, detections by falling score
        column = {a["id"]: n for n, a in enumerate(judge._gts[matches["image_id"], matches["category_id"]])}
        for row, (taken, ignored) in enumerate(zip(matches["dtMatches"][0], matches["dtIgnore"][0], strict=True)):
            if taken > 0 and not ignored:
                overlaps.append(float(iou_DG[row, column[int(taken)]]))
    return overlaps
