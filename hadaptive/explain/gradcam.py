"""Grad-CAM (Selvaraju et al., 2017) through every layer of a Hadaptive-Net.

By captum: kept by PyTorch's own people, and it needs nothing that is not here already (grad-cam would bring OpenCV).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.blocks import AdaptiveBottleneck, ConvNormAct, GhostExpansion

OPERATORS: dict[type[nn.Module], str] = {AdaptiveCrossHadamard: "ACH", GhostExpansion: "Ghost"}


@dataclass(frozen=True)
class Layer:
    """A layer (row of Table 9) and where it looks: `cam_HW` >= 0, at the resolution of the layer's output."""

    name: str
    operator: str
    downsamples: bool
    cam_HW: Tensor


@dataclass(frozen=True)
class Explained:
    """The class a net predicts, how sure it is, and its maps for that class."""

    predicted: int
    probability: float
    layers: list[Layer]


def explain(model: nn.Module, x_1CHW: Tensor) -> Explained:
    """Maps of every layer in `model.features`, in evaluation mode, for the class that the model itself predicts."""
    model.eval()
    with torch.no_grad():
        probability, predicted = model(x_1CHW).softmax(1)[0].max(0)
    layers = []
    for name, row in model.get_submodule("features").named_children():
        (cam_1HW,) = LayerGradCam(model, row).attribute(x_1CHW, int(predicted), relu_attributions=True)
        layers.append(Layer(f"features.{name}", operator(row), downsamples(row), cam_1HW[0].detach()))
    return Explained(int(predicted), probability.item(), layers)


def operator(row: nn.Module) -> str:
    """What a row is made of, in the words of Table 9."""
    return OPERATORS[type(row.expansion)] if isinstance(row, AdaptiveBottleneck) else "Conv"


def downsamples(row: nn.Module) -> bool:
    """Whether a row halves height and width."""
    conv = (row.depthwise if isinstance(row, AdaptiveBottleneck) else row)[0]  # type: ignore[index]
    assert isinstance(row, AdaptiveBottleneck | ConvNormAct) and isinstance(conv, nn.Conv2d)
    return conv.stride != (1, 1)
