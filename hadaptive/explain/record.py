"""From a measure to its record: the maps of trained nets on one image, small enough to lie in the record itself."""

from __future__ import annotations

import base64
import hashlib
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from hadaptive.data.augment import Augment
from hadaptive.data.prepared import read_manifest
from hadaptive.explain.focus import FOCUSED, GRID, Numbers, counted, focuses_at, numbers
from hadaptive.explain.gradcam import Layer, explain
from hadaptive.explain.image import open_image
from hadaptive.nn.zoo import create_model
from hadaptive.record import envelope
from hadaptive.run import NamedMeasure
from hadaptive.train import checkpoint

SHOWN_PX = 160  # side of the picture kept for the figure, where it is half an inch wide


def record(measure: NamedMeasure) -> dict[str, Any]:
    """The record: the image as it is shown, and for every net and seed its prediction, its layers and their maps."""
    pixels = open_image(measure.settings["image"])
    nets = [_net(measure.settings, net, pixels) for net in measure.settings["nets"]]
    metrics = {"image": _image(pixels), "grid": GRID, "focused": FOCUSED, "nets": nets}
    status = "done" if nets else "Hadaptive-Net-S not trained in this run"
    return envelope(measure, metrics, status=status)


def as_input(pixels_HWC: NDArray[np.uint8], image_size: int, manifest: dict[str, Any]) -> Tensor:
    """The image as a net was tested on its own data: squashed to a square, normalised; (1, 3, size, size)."""
    height, width, _ = pixels_HWC.shape
    u_1CHW = torch.from_numpy(pixels_HWC.transpose(2, 0, 1)[None].copy())
    none_1 = torch.zeros(1, dtype=torch.int64)
    square = Augment((height, width), image_size, manifest["mean"], manifest["std"], 0, torch.device("cpu"))
    x_1CHW: Tensor = square(u_1CHW, none_1, none_1, none_1.bool())
    return x_1CHW


def _net(settings: dict[str, Any], net: dict[str, Any], pixels: NDArray[np.uint8]) -> dict[str, Any]:
    manifest = read_manifest(Path(settings["data"]))
    model = create_model(settings["model"], manifest["num_classes"], **net["options"])
    checkpoint.fill(model, Path(net["weights"]))
    found = explain(model, as_input(pixels, settings["image_size"], manifest))
    measured = [numbers(layer.cam_HW, settings["subject"]) for layer in found.layers]
    halves = [layer.downsamples for layer in found.layers]
    return {
        "variant": net["variant"],
        "seed": net["seed"],
        "predicted": manifest["classes"][found.predicted] if math.isfinite(found.probability) else None,
        "probability": found.probability if math.isfinite(found.probability) else None,  # of a net that diverged
        "focuses_at": focuses_at(measured, halves),
        "counted_layers": counted(halves),
        "layers": [_layer(n, *each) for n, each in enumerate(zip(found.layers, measured, strict=True), 1)],
    }


def _layer(number: int, layer: Layer, measured: Numbers) -> dict[str, Any]:
    greatest = 1.0 if measured.area is None else layer.cam_HW.max().item()
    half_HW = torch.nan_to_num(layer.cam_HW / greatest, 0, 0, 0).numpy().astype("<f2")
    encoded = {"shape": list(half_HW.shape), "float16": base64.b64encode(half_HW.tobytes()).decode("ascii")}
    about = {"name": layer.name, "operator": layer.operator, "downsamples": layer.downsamples}
    return {"layer": number, **about, **measured._asdict(), "map": encoded}


def _image(pixels_HWC: NDArray[np.uint8]) -> dict[str, Any]:
    """What the figure needs of the image, in the shape in which the nets see it."""
    height, width, _ = pixels_HWC.shape
    jpeg = io.BytesIO()
    square = Image.fromarray(pixels_HWC).resize((SHOWN_PX, SHOWN_PX), Image.Resampling.BILINEAR)
    square.save(jpeg, "JPEG", quality=90)
    return {
        "height": height,
        "width": width,
        "pixels_sha256": hashlib.sha256(pixels_HWC.tobytes()).hexdigest(),
        "shown_jpeg": base64.b64encode(jpeg.getvalue()).decode("ascii"),
    }
