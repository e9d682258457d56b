"""An architecture search (section 3.4, appendix A.1): a Run from its settings to its record."""

from __future__ import annotations

import math
from typing import Any

import torch

from hadaptive.data.batches import Batches
from hadaptive.errors import UserError
from hadaptive.recipes import SearchRecipe
from hadaptive.run import Search
from hadaptive.search.genotype import chosen
from hadaptive.search.steps import Alternation, SearchBatches, temperature
from hadaptive.search.supernet import START, SuperNet
from hadaptive.train import ranks
from hadaptive.train.classify import Precision, layout, open_split, prepare_as_released, schedule_of, splits
from hadaptive.train.loop import Diverged, fit
from hadaptive.train.record import Job, Result, accuracies

RELEASED_START = 0.1  # deviation of the architecture parameters at the start in the authors' code


def train(run: Search, job: Job) -> Result:
    """Search as `run` says; the weights are those of all candidates.

    The record's curve holds the confidences of every layer and candidate at every epoch; its metrics those at the end
    and the candidate each layer would be. Raises UserError for several GPUs, and for data that cannot be divided.
    """
    if ranks.world_size() > 1:
        raise UserError(f"{run.id}: an architecture search runs on one GPU; leave --set-resources train:gpu away")
    recipe, device = run.recipe, job.device
    whole, test = splits(run, job)
    batches = SearchBatches(*_parts(run, whole, job), recipe)

    torch.manual_seed(run.seed)
    supernet = SuperNet(run.space, whole.num_classes, RELEASED_START if recipe.as_released else START)
    if recipe.as_released:
        prepare_as_released(supernet, run.model)
    supernet.to(device=device, memory_format=layout(recipe))  # type: ignore[call-overload]
    optimizer, architecture = optimisers(supernet, recipe)
    precision = Precision(device, recipe.precision)
    alternation = Alternation(architecture, precision, recipe.clip)
    schedule = schedule_of(recipe, whole.num_classes, clip=None if recipe.as_released else recipe.clip)
    trained = fit(
        supernet,
        optimizer,
        batches,
        alternation.loss,
        lambda _: _state(supernet) | precision.evaluate(supernet, test),
        schedule,
        work=job.work,
        device=device,
        beside={"architecture": architecture},
    )
    for entry in trained.history.curve:
        entry["temperature"] = temperature(entry["epoch"], recipe)
    confidence = trained.history.last_entry().get("confidence")
    names = None if confidence is None else chosen(run.space, confidence)
    metrics = accuracies(trained.history) | {"confidence": confidence, "chosen": names}
    metrics["top5_last"] = trained.history.last_entry().get("test_top5")
    examples = {
        "train_examples": batches.train.examples,
        "held_out_examples": batches.held_out.examples,
        "test_examples": test.examples,
    }
    return Result(trained, metrics, examples)


def optimisers(supernet: SuperNet, recipe: SearchRecipe) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """AdamW for the weights, AdamW for the architecture (appendix A.1)."""
    weights = torch.optim.AdamW(supernet.weights(), lr=recipe.lr, weight_decay=recipe.weight_decay, foreach=True)
    rate, decay = recipe.lr_architecture, recipe.weight_decay_architecture
    return weights, torch.optim.AdamW([supernet.logits_LC], lr=rate, weight_decay=decay)


def _parts(run: Search, whole: Batches, job: Job) -> tuple[Batches, Batches]:
    """Return what weights and what the architecture are trained on: parts of the training set or, in the paper's
    protocol, the whole of it and the test set."""
    recipe = run.recipe
    if recipe.protocol == "paper":
        return whole, open_split(run, job, "test", batch_size=recipe.batch_size, train=True, pad=0, flip=False)
    try:
        return whole.divided(recipe.held_out)
    except ValueError as error:
        raise UserError(f"{run.id}: held_out = {recipe.held_out} of {whole.examples} images: {error}") from None


def _state(supernet: SuperNet) -> dict[str, Any]:
    """Return the confidences after an epoch, for the curve. Raises Diverged where one is not a number."""
    confidences = supernet.confidences()
    if not all(math.isfinite(value) for rivals in confidences.values() for value in rivals.values()):
        raise Diverged("an architecture parameter is not finite")
    return {"confidence": confidences}
