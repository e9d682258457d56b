"""Image classification (section 5.3): a Run from its settings to its record."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hadaptive.data.batches import Batches, Split, open_batches
from hadaptive.errors import UserError
from hadaptive.nn.zoo import create_model, min_image_size
from hadaptive.recipes import Recipe
from hadaptive.run import Classification, Search
from hadaptive.train import ranks
from hadaptive.train.loop import Schedule, fit
from hadaptive.train.micro_batches import shard
from hadaptive.train.outcomes import NAME, outcomes
from hadaptive.train.record import Job, Result, accuracies
from hadaptive.train.schedule import cosine

DIVERGED_AT = 10.0  # times the loss of guessing, ln(classes): a mean training loss beyond it has diverged


def train(run: Classification, job: Job) -> Result:
    """Train the Run's model on its prepared data. UserError for unknown options and input smaller than it takes."""
    recipe, device = run.recipe, job.device
    train, test = splits(run, job)

    torch.manual_seed(run.seed)
    model = build(run, train.num_classes)
    model.to(device=device, memory_format=layout(recipe))  # type: ignore[call-overload]
    # foreach: a few large operations instead of hundreds of small ones, the same update
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, foreach=True)
    precision = Precision(device, recipe.precision)
    schedule = schedule_of(recipe, train.num_classes, compile=recipe.compile)
    trained = fit(
        model,
        optimizer,
        train,
        precision.loss,
        lambda net: precision.evaluate(net, test) | temperatures(model),
        schedule,
        work=job.work,
        device=device,
    )
    examples = {"train_examples": train.examples, "test_examples": test.examples}
    metrics = accuracies(trained.history) | {"top5_last": trained.history.last_entry().get("test_top5")}
    return Result(trained, metrics, examples)


def layout(recipe: Recipe) -> torch.memory_format:
    """Memory order of images and weights."""
    return torch.channels_last if recipe.channels_last else torch.contiguous_format


def open_split(run: Classification | Search, job: Job, split: Split, **settings: Any) -> Batches:
    """Open a split of the Run's data, in images as the recipe says."""
    recipe = run.recipe
    images: dict[str, Any] = {"image_size": recipe.image_size, "memory_format": layout(recipe), "seed": run.seed}
    return open_batches(job.data, split, device=job.device, workers=job.workers, **images, **settings)


def splits(run: Classification | Search, job: Job) -> tuple[Batches, Batches]:
    """Open the training and the test set, in batches as the recipe says."""
    recipe = run.recipe
    augment: dict[str, Any] = {"pad": recipe.pad, "flip": recipe.flip, "examples": recipe.train_examples}
    part = shard if ranks.world_size() > 1 else None
    train = open_split(run, job, "train", batch_size=recipe.batch_size, train=True, part=part, **augment)
    return train, open_split(run, job, "test", batch_size=4 * recipe.batch_size, train=False)


def schedule_of(recipe: Recipe, num_classes: int, **more: Any) -> Schedule:
    """Return the schedule of a recipe (section 5.3): AdamW's learning rate rises linearly, then falls as a cosine."""
    rate = partial(cosine, peak=recipe.lr, warmup=recipe.warmup)
    return Schedule(recipe.epochs, rate, limit=DIVERGED_AT * math.log(num_classes), **more)


def build(run: Classification, num_classes: int) -> nn.Module:
    """Return the Run's model, its batch normalization as the recipe says.

    Raises UserError for an unknown model or option, and for images smaller than the model takes.
    """
    try:
        model = create_model(run.model, num_classes=num_classes, **run.options)
        least = min_image_size(run.model, **run.options)
    except (ValueError, TypeError) as error:
        raise UserError(f"{run.model}, variant {run.variant}: {error}; correct it in params.yaml") from None
    if run.recipe.image_size < least:
        raise UserError(
            f"{run.model} needs images of at least {least} px and the recipe says {run.recipe.image_size}; "
            f"raise image_size of task {run.task} in params.yaml, or leave the model out"
        )
    if run.recipe.as_released:
        prepare_as_released(model, run.model)
    set_bn_momentum(model, run.recipe.bn_momentum)
    return model


def prepare_as_released(model: nn.Module, name: str) -> None:
    """Prepare a model for training as in the authors' code; imported here, as other trainings do without it."""
    from hadaptive.train.as_released import prepare

    prepare(model, name)


def set_bn_momentum(model: nn.Module, momentum: float | None) -> None:
    """Set the momentum of the running statistics of every batch normalization in `model`; None changes nothing.

    After n steps the initial statistics still have the weight (1 - momentum)^n: a short training needs a larger
    momentum than PyTorch's 0.1, or evaluation uses statistics that the model has never seen.
    """
    if momentum is not None:
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.momentum = momentum


class Precision:
    """Forward passes for training and for testing, in the precision of the recipe."""

    def __init__(self, device: torch.device, precision: str) -> None:
        self.device, self.low = device, precision == "bf16"

    def _forward(self, model: Callable[[Tensor], Tensor], x_BCHW: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.low):
            logits_BK = model(x_BCHW)
        return logits_BK.float()

    def loss(self, model: Callable[[Tensor], Tensor], x_BCHW: Tensor, y_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean cross-entropy of the batch, and how many images it gets right."""
        logits_BK = self._forward(model, x_BCHW)
        return F.cross_entropy(logits_BK, y_B), (logits_BK.detach().argmax(1) == y_B).sum()

    @torch.inference_mode()
    def evaluate(self, model: nn.Module, test: Batches) -> dict[str, Any]:
        """Loss, top-1 and top-5 (percent) over all test images, and which of them were right (`outcomes`).

        A loss that is not finite is recorded as null.
        """
        model.eval()
        right: list[Tensor] = []
        labels: list[Tensor] = []
        loss, top1, top5, seen = (torch.zeros((), device=self.device, dtype=torch.float64) for _ in range(4))
        for x_BCHW, y_B in test.epoch(0):
            logits_BK = self._forward(model, x_BCHW)
            loss += F.cross_entropy(logits_BK, y_B, reduction="sum")
            right_BK = logits_BK.topk(min(5, logits_BK.shape[1])).indices == y_B[:, None]
            right.append(right_BK[:, 0])
            labels.append(y_B)
            top1 += right_BK[:, 0].sum()
            top5 += right_BK.sum()
            seen += len(y_B)
        mean = (loss / seen).item()
        return {
            "test_loss": mean if math.isfinite(mean) else None,
            "test_top1": (100 * top1 / seen).item(),
            "test_top5": (100 * top5 / seen).item(),
            NAME: outcomes(right, labels, test.num_classes),
        }


def temperatures(model: nn.Module) -> dict[str, Any]:
    """Return the temperature of every ACH (Algorithm 1), by module; empty for other models."""
    taus = {name.removesuffix(".tau"): value.item() for name, value in model.named_buffers() if name.endswith(".tau")}
    return {"tau": taus} if taus else {}
