"""Image classifiers, as timm loads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hadaptive.publish.kind import Kind, Trained
from hadaptive.record import TrainingRecord

if TYPE_CHECKING:
    from torch import nn


def _save(trained: Trained, out: Path) -> None:
    import timm
    from timm.models import save_for_hf

    from hadaptive.nn.published import architecture

    record, manifest = trained.record, trained.manifest
    name, arguments = architecture(record.run.model, record.run.options)
    model: nn.Module = timm.create_model(name, num_classes=manifest["num_classes"], **arguments)
    trained.fill(model)
    size = record.made_with["recipe"]["image_size"]
    save_for_hf(
        model,
        str(out),
        safe_serialization=True,
        model_config={"label_names": manifest["classes"], "hadaptive": {"run": record.id, "record": record.sha256}},
        model_args=arguments,
        data_config={
            "input_size": (3, size, size),
            "mean": tuple(manifest["mean"]),
            "std": tuple(manifest["std"]),
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "crop_mode": "squash",  # resized to a square, whatever its shape was
        },
    )


def _loading(record: TrainingRecord) -> str:
    return """import timm
import hadaptive.nn.published  # registers what is not timm's own

model = timm.create_model("local-dir:FOLDER", pretrained=True).eval()"""


KIND = Kind(
    task="image-classification",
    library="timm",
    metrics={"top1_last": "Top-1 accuracy, %", "top5_last": "Top-5 accuracy, %"},
    metric_type="accuracy",
    on_training_set={"train_top1_last": "Top-1 accuracy on the training set, %"},
    examples="images",
    size="{image_size} px",
    save=_save,
    loading=_loading,
)
