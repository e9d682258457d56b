"""Detectors, as `hadaptive.nn.published_detector` loads them."""

from __future__ import annotations

from pathlib import Path

from hadaptive.publish.kind import Kind, Trained
from hadaptive.record import TrainingRecord


def _save(trained: Trained, out: Path) -> None:
    from hadaptive.nn.published_detector import Detector

    run, recipe = trained.record.run, trained.record.made_with["recipe"]
    model = Detector(
        backbone=run.model,
        options=run.options,
        classes=trained.manifest["classes"],
        image_size=recipe["image_size"],
        gamma=recipe["gamma"],
        alpha=recipe["alpha"],
    )
    trained.fill(model)
    model.save_pretrained(out)


def _loading(record: TrainingRecord) -> str:
    return """from hadaptive.nn.published_detector import Detector

model = Detector.from_pretrained("FOLDER").eval()
boxes = model([image])[0]  # of an image float [3, H, W] in [0, 1]: boxes in its pixels, scores, labels"""


KIND = Kind(
    task="object-detection",
    library="hadaptive",
    metrics={"map_last": "mAP, %", "map_50_last": "mAP at IoU 0.5, %", "map_75_last": "mAP at IoU 0.75, %"},
    metric_type="mAP",
    on_training_set={"train_map_last": "mAP on as many training images, %"},
    examples="images",
    size="{image_size} px",
    save=_save,
    loading=_loading,
)
