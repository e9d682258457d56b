"""Variances of cross-Hadamard products (appendix A.2): by formula, under DySoft, and through the depth of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hadaptive.data.batches import open_batches
from hadaptive.nn.ach import AdaptiveCrossHadamard, select_and_cross
from hadaptive.nn.zoo import create_model
from hadaptive.record import envelope
from hadaptive.run import Measure
from hadaptive.train import checkpoint

SAMPLES = 1_000_000
CASES = [  # mean and deviation of one factor, then of the other
    (0.0, 1.0, 0.0, 1.0), (1.0, 1.0, 1.0, 1.0), (3.0, 1.0, 0.5, 2.0), (-2.0, 0.5, 4.0, 3.0), (0.0, 5.0, 0.0, 5.0),
    (10.0, 1.0, 0.1, 0.1), (0.0, 10.0, 1.0, 0.01),
]  # fmt: skip
DEVIATIONS = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0]
ALPHA = 0.5  # DySoft's at the start


def record(measure: Measure) -> dict[str, Any]:
    """Return the record of the measure: `formula`, `bound` and `depth`."""
    torch.manual_seed(0)
    metrics = {"samples": SAMPLES, "formula": formula(), "bound": bound(), "depth": depth(measure)}
    return envelope(measure, metrics)


def formula() -> list[dict[str, float]]:
    """Var(z_i z_j) of independent normal factors by Monte Carlo, with its standard error, beside the formula."""
    points = []
    for mean_i, std_i, mean_j, std_j in CASES:
        z_i, z_j = torch.randn(2, SAMPLES, dtype=torch.float64)
        product = (mean_i + std_i * z_i) * (mean_j + std_j * z_j)
        variance = product.var().item()
        fourth = (product - product.mean()).pow(4).mean().item()
        expected = mean_i**2 * std_j**2 + mean_j**2 * std_i**2 + std_i**2 * std_j**2
        error = ((fourth - variance**2) / SAMPLES) ** 0.5
        factors = {"mean_i": mean_i, "std_i": std_i, "mean_j": mean_j, "std_j": std_j}
        points.append({**factors, "measured": variance, "formula": expected, "standard_error": error})
    return points


def bound() -> list[dict[str, float]]:
    """Return the variance of products of centred normal factors, before and after softsign (scale 1, shift 0)."""
    points = []
    for std in DEVIATIONS:
        z_i, z_j = std * torch.randn(2, SAMPLES, dtype=torch.float64)
        after = F.softsign(ALPHA * z_i * z_j)
        points.append({"std": std, "products": (z_i * z_j).var().item(), "dysoft": after.var().item()})
    return points


@torch.no_grad()
def depth(measure: Measure) -> list[dict[str, Any]]:
    """Variance of the products before and after their normalizer in every ACH of a model, by variant and state.

    At the start in training mode (statistics of the batch), trained in evaluation mode (stored statistics). The images
    are the first of the test set. Channels are chosen without noise. Each entry has the median over channels, the least
    and the greatest, of variances over images and pixels.
    """
    settings = measure.settings
    if not settings["variants"]:
        return []
    data = open_batches(
        settings["data"],
        "test",
        batch_size=settings["images"],
        train=False,
        image_size=settings["image_size"],
        device=torch.device("cpu"),
        seed=0,
    )
    images, _ = next(iter(data.epoch(0)))
    points = []
    for variant, how in settings["variants"].items():
        for state in ("start", "trained"):
            torch.manual_seed(0)
            model = create_model(settings["model"], data.num_classes, **{**how["options"], "selection": "topk"})
            if state == "trained":
                checkpoint.fill(model, Path(how["weights"]))
                model.eval()
            layers = _layers(model, images)
            points += [
                {"variant": variant, "state": state, "layer": n, **spreads} for n, spreads in enumerate(layers, 1)
            ]
    return points


def _layers(model: nn.Module, images: Tensor) -> list[dict[str, Any]]:
    spreads: list[dict[str, Any]] = []

    def look(ach: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        assert isinstance(ach, AdaptiveCrossHadamard)
        x_BCHW = out[:, : ach.channels]  # mixed and normalised: what was multiplied
        products = select_and_cross(x_BCHW, ach.select(x_BCHW)[0], None)
        spreads.append({"products": _spread(products), "normalised": _spread(out[:, ach.channels :])})

    for module in model.modules():
        if isinstance(module, AdaptiveCrossHadamard):
            module.register_forward_hook(look)
    model(images)
    return spreads


def _spread(y_BPHW: Tensor) -> dict[str, float | None]:
    """Median, least and greatest variance of the channels; null where one is not finite."""
    var_P = y_BPHW.double().var((0, 2, 3), correction=0)
    values = {"median": var_P.median().item(), "least": var_P.min().item(), "greatest": var_P.max().item()}
    return {name: value if abs(value) < float("inf") else None for name, value in values.items()}
