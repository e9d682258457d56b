"""mAP and mean IoU: by hand where that can be done, and COCO's rules."""

from __future__ import annotations

import numpy as np
import pytest

from hadaptive.train.average_precision import Detections, GroundTruth, evaluate

BOX = [10.0, 10.0, 30.0, 30.0]


def found(*each: tuple[list[float], float, int]) -> Detections:
    boxes, scores, classes = zip(*each, strict=True) if each else ([], [], [])
    return Detections(np.array(boxes).reshape(-1, 4), np.array(scores), np.array(classes, np.int64))


def there(*each: tuple[list[float], int], crowds: int = 0) -> GroundTruth:
    boxes, classes = zip(*each, strict=True) if each else ([], [])
    crowd = np.arange(len(boxes)) < crowds
    return GroundTruth(np.array(boxes).reshape(-1, 4), np.array(classes, np.int64), crowd)


def test_perfect_detections_are_all_of_it() -> None:
    metrics = evaluate([found((BOX, 0.9, 0)), found((BOX, 0.2, 1))], [there((BOX, 0)), there((BOX, 1))], 3)
    assert metrics == {
        "map": pytest.approx(100),
        "map_50": pytest.approx(100),
        "map_75": pytest.approx(100),
        "miou": pytest.approx(100),
        "matched": 2,
    }


def test_a_shifted_box_counts_at_the_thresholds_below_its_iou() -> None:
    """15 of 25 pixels shared: an IoU of 0.6, so it is right at 0.5, 0.55 and 0.6 of ten thresholds."""
    metrics = evaluate([found(([15.0, 10, 35, 30], 0.9, 0))], [there((BOX, 0))], 1)
    assert metrics["map"] == pytest.approx(30) and metrics["map_50"] == pytest.approx(100)
    assert metrics["map_75"] == 0 and metrics["miou"] == pytest.approx(60)


def test_miou_takes_each_object_once_by_score() -> None:
    """The better-scored of two boxes takes the object; the other is no pair. Another class is none either."""
    shifted = ([15.0, 10, 35, 30], 0.9, 0)
    metrics = evaluate([found(shifted, (BOX, 0.5, 0), (BOX, 0.99, 1))], [there((BOX, 0))], 2)
    assert metrics["matched"] == 1 and metrics["miou"] == pytest.approx(60)


def test_miou_is_a_mean_over_pairs_of_all_images() -> None:
    shifted = ([15.0, 10, 35, 30], 0.9, 0)
    metrics = evaluate([found((BOX, 0.1, 0)), found(shifted), found()], [there((BOX, 0))] * 3, 1)
    assert metrics["matched"] == 2 and metrics["miou"] == pytest.approx(80)


def test_a_crowd_counts_neither_for_nor_against() -> None:
    clean = evaluate([found((BOX, 0.9, 0))], [there((BOX, 0))], 1)
    other = [60.0, 60, 90, 90]
    crowd = evaluate([found((BOX, 0.5, 0), (other, 0.9, 0))], [there((other, 0), (BOX, 0), crowds=1)], 1)
    assert crowd == clean


def test_nothing_found_and_nothing_there() -> None:
    assert evaluate([found()], [there((BOX, 0))], 1)["map"] == 0
    assert evaluate([found()], [there((BOX, 0))], 1)["miou"] is None
    assert evaluate([found((BOX, 0.9, 0))], [there()], 1)["map"] is None
    with pytest.raises(ValueError, match="detections of 1 images for 2 images"):
        evaluate([found()], [there(), there()], 1)
