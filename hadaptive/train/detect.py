"""Object detection (section 5.4): a Run from its settings to its record."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hadaptive.data.detection import Augmentation, DetectionBatches, open_detection
from hadaptive.errors import UserError
from hadaptive.nn.features import feature_maps
from hadaptive.nn.ssd import FocalSSD
from hadaptive.run import Detection
from hadaptive.train.average_precision import Detections, GroundTruth, evaluate
from hadaptive.train.loop import Schedule, fit
from hadaptive.train.record import Job, Result
from hadaptive.train.schedule import cosine

DIVERGED_AT = 1000.0  # a mean training loss beyond it has diverged; one starts at a few units
LR_BATCH = 64  # the batch to which the recipe's learning rate belongs
SAMPLES, SHOWN = 8, 20  # test images whose best detections the record keeps, for pictures; how many of each


def train(run: Detection, job: Job) -> Result:
    """Train the Run's detector on its prepared data. UserError for a model that gives no feature maps."""
    recipe, device, data = run.recipe, job.device, job.data
    common: dict[str, Any] = {
        "image_size": recipe.image_size,
        "device": device,
        "seed": run.seed,
        "workers": job.workers,
    }
    augment = Augmentation(recipe.hue, recipe.saturation, recipe.expand, recipe.crop_iou, recipe.flip)
    train = open_detection(
        data,
        "train",
        batch_size=recipe.batch_size,
        train=True,
        augment=augment,
        examples=recipe.train_examples,
        **common,
    )
    test = open_detection(
        data, "test", batch_size=recipe.batch_size, train=False, examples=recipe.test_examples, **common
    )
    # as many training images as there are test images, as they are: does it know what it has seen?
    seen = open_detection(
        data, "train", batch_size=recipe.batch_size, train=False, examples=min(train.examples, test.examples), **common
    )

    torch.manual_seed(run.seed)
    model = build(run, len(train.dataset.classes))
    macs = multiply_accumulates(model, recipe.image_size)
    model.to(device=device, memory_format=torch.channels_last)
    lr = recipe.lr * recipe.batch_size / LR_BATCH
    optimizer = torch.optim.SGD(
        model.parameters(), lr=lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay, foreach=True
    )
    schedule = Schedule(
        epochs=recipe.epochs,
        learning_rate=partial(
            cosine, peak=lr, warmup=recipe.warmup_epochs / recipe.epochs, floor=min(lr, recipe.lr_floor)
        ),
        limit=DIVERGED_AT,
        select="test_map",
    )
    detector = Detector(device, recipe.precision)
    trained = fit(
        model,
        optimizer,
        train,
        detector.loss,
        lambda net: detector.evaluate(net, test, "test"),
        schedule,
        work=job.work,
        device=device,
    )
    end, top = trained.history.last_entry(), trained.history.best_entry()
    known: dict[str, Any] = {}
    if trained.history.curve:
        model.load_state_dict(trained.last)
        known = detector.evaluate(model, seen, "train") | {"samples": detector.samples(model, test)}
    metrics = {
        "map_last": end.get("test_map"),
        "map_50_last": end.get("test_map_50"),
        "map_75_last": end.get("test_map_75"),
        "miou_last": end.get("test_miou"),
        "matched_last": end.get("test_matched"),
        "train_map_last": known.get("train_map"),
        "train_map_50_last": known.get("train_map_50"),
        "train_miou_last": known.get("train_miou"),
        "map_best_on_test": top.get("test_map"),
        "best_epoch": trained.history.best_epoch or None,
        "parameters": trained.parameters,
        "parameters_backbone": sum(p.numel() for p in model.backbone.backbone.parameters()),
        "macs": macs,
        "samples": known.get("samples", []),
    }
    examples = {"train_examples": train.examples, "test_examples": test.examples}
    return Result(trained, metrics, examples)


def build(run: Detection, num_classes: int) -> FocalSSD:
    """Return the Run's detector. UserError for a model or option that is not known or gives no feature maps."""
    recipe = run.recipe
    try:
        backbone = feature_maps(run.model, **run.options)
    except (ValueError, TypeError) as error:
        raise UserError(f"{run.model}, variant {run.variant}: {error}; correct it in params.yaml") from None
    return FocalSSD(backbone, num_classes, image_size=recipe.image_size, gamma=recipe.gamma, alpha=recipe.alpha)


def multiply_accumulates(model: FocalSSD, image_size: int) -> int:
    """Count multiply-accumulates of convolutions for one image: backbone (in training form), extra layers, head."""
    training = model.training
    with torch.no_grad(), FlopCounterMode(display=False) as count:
        model.eval().raw(torch.zeros(1, 3, image_size, image_size))
    model.train(training)
    return int(count.get_total_flops()) // 2


class Detector:
    """Forward passes for training and for testing, in the precision of the recipe."""

    def __init__(self, device: torch.device, precision: str) -> None:
        self.device, self.low = device, precision == "bf16"

    def loss(self, model: nn.Module, x_BCHW: Tensor, targets: list[dict[str, Tensor]]) -> tuple[Tensor, None]:
        """Focal loss plus smooth L1, each by the matched default boxes of an image and averaged over images."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.low):
            losses: dict[str, Tensor] = model(x_BCHW, targets)
        return losses["classification"] + losses["bbox_regression"], None

    @torch.inference_mode()
    def detections(self, model: nn.Module, x_BCHW: Tensor) -> list[dict[str, Tensor]]:
        """Boxes, scores and labels on each image, on the CPU; boxes as parts of its width and height."""
        height, width = x_BCHW.shape[-2:]
        scale_4 = torch.tensor([width, height, width, height], dtype=torch.float32)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.low):
            outputs = model(x_BCHW)
        moved = [{name: value.cpu() for name, value in output.items()} for output in outputs]
        return [output | {"boxes": output["boxes"].float() / scale_4} for output in moved]

    def evaluate(self, model: nn.Module, test: DetectionBatches, name: str) -> dict[str, Any]:
        """Return the metrics of `average_precision.evaluate` over all images, named `<name>_map` and so on."""
        model.eval()
        known, detections, ground_truth = test.dataset.known, [], []
        for x_BCHW, targets in test.epoch(0):
            for target, output in zip(targets, self.detections(model, x_BCHW), strict=True):
                index = int(target["image"])
                sides_4 = np.tile(known.sizes[index], 2)
                detections.append(
                    Detections(output["boxes"].numpy() * sides_4, output["scores"].numpy(), output["labels"].numpy())
                )
                rows = known.objects(index)
                ground_truth.append(GroundTruth(known.boxes[rows], known.classes[rows], known.crowds[rows]))
        metrics = evaluate(detections, ground_truth, len(test.dataset.classes))
        return {f"{name}_{metric}": value for metric, value in metrics.items()}

    def samples(self, model: nn.Module, test: DetectionBatches) -> list[dict[str, Any]]:
        """Return the best detections on the first images of the test set, and their objects, for a picture of them."""
        model.eval()
        known, kept = test.dataset.known, []
        for x_BCHW, targets in test.epoch(0):
            for target, output in zip(targets, self.detections(model, x_BCHW), strict=True):
                index = int(target["image"])
                rows, sides_4 = known.objects(index), np.tile(known.sizes[index], 2)
                best = [
                    {
                        "box": [round(float(v), 2) for v in box * sides_4],
                        "class": test.dataset.classes[int(label)],
                        "score": round(float(score), 4),
                    }
                    for box, label, score in list(
                        zip(output["boxes"].numpy(), output["labels"], output["scores"], strict=True)
                    )[:SHOWN]
                ]
                objects = [
                    {"box": [round(float(v), 2) for v in box], "class": test.dataset.classes[int(label)]}
                    for box, label in zip(known.boxes[rows], known.classes[rows], strict=True)
                ]
                path = str(test.dataset.folder / str(known.names[index]))
                kept.append({"image": path, "found": best, "there": objects})
                if len(kept) == SAMPLES:
                    return kept
        return kept
