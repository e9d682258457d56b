"""Classification of sentences and pairs of them (appendix A.6, Table 13): a Run from its settings to its record."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hadaptive.data.token_batches import TokenBatches, Tokens, open_tokens
from hadaptive.errors import UserError
from hadaptive.nn.text import TextClassifier
from hadaptive.run import Text
from hadaptive.train.loop import Schedule, fit
from hadaptive.train.outcomes import NAME, outcomes
from hadaptive.train.record import Job, Result, accuracies

DIVERGED_AT = 10.0  # times the loss of guessing, ln(classes)
TEST_BATCH = 64  # appendix A.6


def train(run: Text, job: Job) -> Result:
    """Train the Run's model on its prepared data. UserError for a model that cannot be built."""
    recipe, device = run.recipe, job.device
    common: dict[str, Any] = {"word_pieces": recipe.word_pieces, "device": device, "seed": run.seed}
    train = open_tokens(
        job.data, "train", batch_size=recipe.batch_size, train=True, examples=recipe.train_examples, **common
    )
    test = open_tokens(job.data, "test", batch_size=TEST_BATCH, train=False, **common)

    torch.manual_seed(run.seed)
    model = build(run, train).to(device)
    optimizer = torch.optim.AdamW(groups(model, recipe.weight_decay), lr=recipe.lr, foreach=True)
    schedule = Schedule(
        epochs=recipe.epochs,
        learning_rate=lambda step, steps: decay(step, steps, peak=recipe.lr, warmup=recipe.warmup),
        limit=DIVERGED_AT * math.log(train.num_classes),
        clip=recipe.clip,
    )
    trained = fit(
        model, optimizer, train, loss, lambda net: evaluate(net, test), schedule, work=job.work, device=device
    )
    metrics = accuracies(trained.history) | {
        "commonest_class": 100 * test.commonest,  # accuracy of always answering it
        "parameters": trained.parameters,
        "in_out_channels": model.width,
        "mid_channels": model.middle,
    }
    examples = {"train_examples": train.examples, "test_examples": test.examples}
    return Result(trained, metrics, examples)


def build(run: Text, batches: TokenBatches) -> TextClassifier:
    """Build the Run's model for the data's vocabulary and classes. UserError, naming the Run, where it cannot."""
    vocabulary, recipe = batches.manifest["vocabulary"], run.recipe
    try:
        return TextClassifier(
            run.model,
            classes=batches.num_classes,
            vocabulary=vocabulary["size"],
            pad=vocabulary["pad"],
            width=recipe.width,
            heads=recipe.heads,
            **run.options,
        )
    except (ValueError, TypeError) as error:
        raise UserError(f"{run.model}, variant {run.variant}: {error}; correct it in params.yaml") from None


def groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the parameters in two groups: matrices with weight decay, biases and normalisations without.

    timm's `param_groups_weight_decay` has them in the other order, one group at a weight decay of 0, and imports timm.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def decay(step: int, steps: int, *, peak: float, warmup: float) -> float:
    """Return the learning rate of step `step` (0-based) out of `steps`: linear to `peak`, then linear towards 0."""
    rising = round(warmup * steps)
    return peak * (step + 1) / rising if step < rising else peak * (steps - step) / (steps - rising)


def loss(model: nn.Module, x: Tokens, y_B: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy of the batch, and how many examples it gets right."""
    mean, right_B = _answers(model, x, y_B)
    return mean, right_B.sum()


def _answers(model: nn.Module, x: Tokens, y_B: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy of the batch, and which examples it gets right."""
    logits_BK = model(x.pieces_BL, x.second_BL, x.mask_BL)
    return F.cross_entropy(logits_BK, y_B), logits_BK.detach().argmax(1) == y_B


@torch.inference_mode()
def evaluate(model: nn.Module, test: TokenBatches) -> dict[str, Any]:
    """Return loss and accuracy (percent) over all test examples, which were right (`outcomes`), temperatures of ACH.

    A loss that is not finite is recorded as null.
    """
    model.eval()
    total, right, seen = (torch.zeros((), device=test.device, dtype=torch.float64) for _ in range(3))
    answers: list[Tensor] = []
    labels: list[Tensor] = []
    for x, y_B in test.epoch(0):
        mean, right_B = _answers(model, x, y_B)
        answers.append(right_B)
        labels.append(y_B)
        total += mean * len(y_B)
        right += right_B.sum()
        seen += len(y_B)
    mean_loss = (total / seen).item()
    taus = {name.removesuffix(".tau"): tau.item() for name, tau in model.named_buffers() if name.endswith(".tau")}
    return {
        "test_loss": mean_loss if math.isfinite(mean_loss) else None,
        "test_top1": (100 * right / seen).item(),
        NAME: outcomes(answers, labels, test.num_classes),
        **({"tau": taus} if taus else {}),
    }
