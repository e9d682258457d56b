"""Figures 8 and 9: Grad-CAM through the layers of the model without and with ACH, on one image (appendix A.6).

The maps come from the record; a map is stretched over the image bilinearly and has its own maximum as the brightest
colour. Beneath it stands its `area`, as `hadaptive.explain.focus` defines it, and whether it
is off the subject.
"""

from __future__ import annotations

import base64
import io
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from hadaptive.errors import UserError
from hadaptive.explain.image import open_image
from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.figures import Drawn, style
from hadaptive.paper.spec import FigureSpec, record_path
from hadaptive.record.files import DAMAGED
from hadaptive.record.measures import (
    BottleneckLayer,
    ExplainedLayer,
    ExplainedNet,
    ExplainRecord,
    HeadLayer,
    StructureRecord,
)

LABELS = {"all_ghost": "All Ghost", "dysoft": "With ACH"}  # the paper's order
COLUMNS = 8  # a band of the page: first the photo, then layers
COLOURS, SHARE = "magma", 0.6  # brighter is more, in grey too; how much of the colour covers the photo
SQUARE = (0.0, 1.0, 1.0, 0.0)
NUMBERS = ("entropy", "area", "on_subject")


def draw(spec: FigureSpec, results_root: Path) -> Drawn:
    """A grid of overlays, layers by models of the first seed; without a record the photo and why there are none."""
    number = spec.figure.removeprefix("figure")
    title = f"Figure {number}: Grad-CAM through the layers, at scale {spec.scale}"
    marked = "Demonstration, not a result. " if spec.demonstration else ""
    record: ExplainRecord | Remark = Remark.of(spec.about)
    for record_id in spec.records[:1]:
        record = read_record(record_path(spec, record_id, results_root), record_id, spec.scale, ExplainRecord)
    shown = record if isinstance(record, Remark) else _decoded(record.metrics.image.shown_jpeg)
    if isinstance(record, Remark) or isinstance(shown, Remark):
        why = record if isinstance(record, Remark) else shown
        assert isinstance(why, Remark)
        alt = f"{marked}Grad-CAM maps were not measured: {why.text}. Scale {spec.scale}: {spec.about}."
        return Drawn(_photo_alone(spec, why.text, _layers(spec, results_root)), title, alt, [])
    nets = _first_seed(record.metrics.nets)
    made = _grid(record, shown, nets)
    made.suptitle(f"{marked}Scale {spec.scale}", fontsize=8, fontweight="bold" if marked else "normal")
    rows = [["variant", "seed", "predicted", "layer", "name", "operator", "downsamples", *NUMBERS, "focused_from_here"]]
    rows += [
        [
            net.variant,
            str(net.seed),
            net.predicted or "",
            str(layer.layer),
            layer.name,
            layer.operator,
            _yes(layer.downsamples),
            *(_said(getattr(layer, key)) for key in NUMBERS),
            _yes(layer.layer == net.focuses_at),
        ]
        for net in record.metrics.nets
        for layer in net.layers
    ]
    return Drawn(made, title, f"{marked}{_alt(nets)} Scale {spec.scale}: {spec.about}.", rows)


def _layers(spec: FigureSpec, results_root: Path) -> list[str]:
    """The layers that would have maps, as they stand above the maps; none without the record of the model's layers."""
    for record_id in spec.records[1:]:
        record = read_record(record_path(spec, record_id, results_root), record_id, spec.scale, StructureRecord)
        if isinstance(record, StructureRecord):
            shown = [layer for layer in record.metrics.layers if not isinstance(layer, HeadLayer)]
            return [
                _titled(n, layer.expansion.kind if isinstance(layer, BottleneckLayer) else "Conv", layer.stride > 1)
                for n, layer in enumerate(shown, 1)
            ]
    return []


def _titled(number: int, operator: str, downsamples: bool) -> str:
    """What stands above a layer's map: "2 Ghost ↓"."""
    return f"{number} {operator}{' ↓' if downsamples else ''}"


def _decoded(jpeg: str) -> Image.Image | Remark:
    try:
        shown = Image.open(io.BytesIO(base64.b64decode(jpeg)))
        shown.load()
    except (OSError, ValueError, SyntaxError):  # what Pillow raises for a file that is cut short or altered
        return Remark.of(DAMAGED)
    return shown


def _first_seed(nets: list[ExplainedNet]) -> list[ExplainedNet]:
    found = {variant: [net for net in nets if net.variant == variant] for variant in LABELS}
    return [min(mine, key=lambda net: net.seed) for mine in found.values() if mine]


def _grid(record: ExplainRecord, shown: Image.Image, nets: list[ExplainedNet]) -> Any:
    photo, grey = np.asarray(shown), np.asarray(shown.convert("L"))
    layers = len(nets[0].layers)
    bands = -(-(layers + 1) // COLUMNS)
    made = style.figure(height_in=0.55 + bands * len(nets) * 0.82)
    made.set_layout_engine("constrained", w_pad=0.02, h_pad=0.04, wspace=0, hspace=0)
    axes = made.subplots(bands * len(nets), COLUMNS, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for n, net in enumerate(nets):
        for place, layer in enumerate(net.layers, 1):
            band, column = divmod(place, COLUMNS)
            _tile(axes[band * len(nets) + n, column], grey, layer, layer.layer == net.focuses_at)
        for band in range(bands):
            ax = axes[band * len(nets) + n, 0]
            ax.text(-0.12, 0.5, LABELS[net.variant], rotation=90, ha="right", va="center", transform=ax.transAxes)
    for place, layer in enumerate(nets[-1].layers, 1):
        band, column = divmod(place, COLUMNS)
        axes[band * len(nets), column].set_title(
            _titled(place, layer.operator, layer.downsamples), fontsize=7, pad=2 if band == 0 else 5
        )
    _photo(axes[0, 0], photo, record.settings.subject)
    _key(axes[1, 0])
    made.supxlabel(_key_line(nets), fontsize=7, color=style.FAINT)
    return made


def _overlay(grey: NDArray[np.uint8], values: NDArray[np.float32]) -> NDArray[np.float64]:
    """The photo in grey under the colours of a map; blended here, as PDF viewers and printers do it differently."""
    fitted = np.asarray(Image.fromarray(values).resize(grey.shape[::-1], Image.Resampling.BILINEAR))
    coloured = colormaps[COLOURS](fitted)[..., :3]
    return np.asarray(SHARE * coloured + (1 - SHARE) * grey[..., None] / 255)


def _tile(ax: Axes, grey: NDArray[np.uint8], layer: ExplainedLayer, focuses: bool) -> None:
    cam = np.frombuffer(base64.b64decode(layer.map.float16), "<f2").reshape(layer.map.shape)
    ax.imshow(_overlay(grey, cam.astype(np.float32)), extent=SQUARE)
    if focuses:
        ax.add_patch(Rectangle((0, 0), 1, 1, fill=False, edgecolor=style.COLOURS[1], linewidth=2.4))
    ax.set_xlim(0, 1)
    ax.set_ylim(1, 0)
    ax.text(0.5, -0.03, _area(layer), ha="center", va="top", fontsize=7, transform=ax.transAxes)


def _photo(ax: Axes, photo: NDArray[np.uint8], subject: list[float] | None) -> None:
    ax.imshow(photo, extent=SQUARE)
    if subject is not None:
        left, top, right, bottom = subject
        for width, colour in ((1.6, "black"), (0.8, "white")):
            ax.add_patch(
                Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=width)
            )
    ax.set_title("Image", fontsize=7, pad=2)


def _key(ax: Axes) -> None:
    """The colours, from zero to the map's greatest value."""
    ramp = np.linspace(0, 1, 64, dtype=np.float32)[None]
    ax.imshow(_overlay(np.full(ramp.shape, 128, np.uint8), ramp), extent=(0, 1, 0.62, 0.5))
    ax.set_xlim(0, 1)
    ax.set_ylim(1, 0)
    ax.text(0, 0.48, "0", ha="left", va="bottom", fontsize=7)
    ax.text(1, 0.48, "max", ha="right", va="bottom", fontsize=7)


def _photo_alone(spec: FigureSpec, why: str, layers: list[str]) -> Figure:
    """The photo with the box around its subject, why there are no maps, and the layers that would have them.

    One line where there is no photo.
    """
    try:
        photo = open_image(spec.image) if spec.image else None
    except UserError:
        photo = None
    if photo is None:
        return style.absent(spec, why)
    made = style.figure(height_in=1.5)
    style.heading(made, spec)
    ax, words = made.subplots(1, 2, width_ratios=[1, 3])
    for each in (ax, words):
        each.set_axis_off()
    ax.set_box_aspect(photo.shape[0] / photo.shape[1])
    _photo(ax, photo, list(spec.subject) if spec.subject else None)
    ax.set(xlim=(0, 1), ylim=(1, 0), title="")
    parts = [f"Grad-CAM maps not measured: {why}. The box is the subject on which a model should focus."]
    if layers:
        named = ", ".join(layer.replace(" ", "\u00a0") for layer in layers)
        parts.append(
            f"Maps are made of these layers of Hadaptive-Net-S: {named} (↓: downsampling; All Ghost has Ghost for ACH)."
        )
    text = "\n".join(textwrap.fill(part, 74) for part in parts)
    words.text(0, 0.5, text, ha="left", va="center", color=style.FAINT, fontsize=7)
    return made


def _area(layer: ExplainedLayer) -> str:
    """The number beneath a map; "off" where the greatest value is outside the subject's box."""
    if layer.area is None:
        return "zero"
    return f"{layer.area:.0%}{', off' if layer.on_subject is False else ''}"


def _key_line(nets: list[ExplainedNet]) -> str:
    off = any(layer.on_subject is False for net in nets for layer in net.layers)
    key = "↓ downsampling. Beneath: area above half of the maximum" + (
        "; off: the maximum is outside the box." if off else "."
    )
    if any(net.focuses_at for net in nets):
        key += " Framed: from here on focused."
    return f"{key}\nAll Ghost has Ghost for ACH. {'; '.join(_prediction(net) for net in nets)}."


def _prediction(net: ExplainedNet) -> str:
    if net.predicted is None:
        return f"{LABELS[net.variant]} predicts no class, its output is not finite"
    return f"{LABELS[net.variant]} predicts {net.predicted!r} ({net.probability:.0%})"


def _alt(nets: list[ExplainedNet]) -> str:
    """What the figure shows, in words, from the numbers in it."""
    layers = nets[0].layers
    arrows = ", ".join(str(layer.layer) for layer in layers if layer.downsamples)
    sentences = [
        f"A photo, and over it the Grad-CAM maps of {len(layers)} layers of each of {len(nets)} models, brighter where "
        f"the layer speaks for the predicted class; layers {arrows} downsample."
    ]
    for net in nets:
        areas = "; ".join(_area(layer) for layer in net.layers)
        where = f"from layer {net.focuses_at} on" if net.focuses_at else "nowhere"
        sentences.append(
            f"{_prediction(net)} and focuses {where}; area above half of the maximum by layer (off: the maximum is "
            f"outside the subject's box): {areas}."
        )
    return " ".join(sentences)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _said(value: float | bool | None) -> str:
    return "" if value is None else _yes(value) if isinstance(value, bool) else f"{value:.4f}"
