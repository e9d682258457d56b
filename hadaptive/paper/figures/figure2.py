"""Figure 2: the adaptive cross-Hadamard module, as the record of a model's layers describes its first one.

As many stripes as there are channels, as many squares as there are products. Which channels are chosen is made up.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Rectangle

from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.figures import Drawn, diagram, style
from hadaptive.paper.spec import FigureSpec, record_path
from hadaptive.record.measures import AchExpansion, BottleneckLayer, StructureRecord

WIDTH, HEIGHT = 11.0, 4.5
MIDDLE, SCORES, BELOW = 1.85, 3.95, 0.32  # heights of the three paths
STACK, TALL, SHORT = 0.3, 2.2, 1.3  # a feature map: width, heights
INPUT, MIXED, SELECTED, TRIANGLE, OUTPUT = 0.4, 4.0, 5.9, 6.7, 10.2  # left sides
SIDE = 1.8  # of the triangle of products
BOX, WIDE, WIDEST = 1.05, 1.35, 1.9  # boxes
UNCHOSEN = "#D5D9DD"
NAMES = {
    "EcaScore": "ECA",
    "LearnedScore": "learned score",
    "EvaluationScore": "evaluation net",
    "BatchNorm2d": "batch norm",
    "Identity": "not normalised",
}


def draw(spec: FigureSpec, results_root: Path) -> Drawn:
    """One panel; empty, with the reason, without a record or where the model has no such module."""
    (record_id,) = spec.records
    record = read_record(record_path(spec, record_id, results_root), record_id, spec.scale, StructureRecord)
    made = style.figure(height_in=style.WIDTH_IN * HEIGHT / WIDTH)
    ax = made.subplots()
    title = f"Figure 2: the adaptive cross-Hadamard module, at scale {spec.scale}"
    layers = [] if isinstance(record, Remark) else record.metrics.layers
    found = [
        (n, layer.expansion)
        for n, layer in enumerate(layers)
        if isinstance(layer, BottleneckLayer) and isinstance(layer.expansion, AchExpansion)
    ]
    if not found:
        why = record.text if isinstance(record, Remark) else "the model has no such module"
        style.empty(ax, why)
        return Drawn(made, title, f"Empty: {why}. Scale {spec.scale}: {spec.about}.", [["part", "label"]])
    place, ach = found[0]
    texts = labels(ach, layers[place - 1].size)
    _module(ax, ach, texts)
    rows = [["part", "label"], *([part, text.replace("\n", ", ")] for part, text in texts.items())]
    return Drawn(made, title, _alt(spec, texts, place), rows)


def labels(ach: AchExpansion, size: int) -> dict[str, str]:
    """What the diagram says of each part the module has, in its order; `ach` is `cross_hadamard`'s description."""
    C, k, products, out = ach.channels, ach.k, ach.products, ach.out
    texts = {"input": f"{C} × {size} × {size}"}  # noqa: RUF001
    if ach.pointwise:
        texts["pointwise"] = f"{ach.pointwise}×{ach.pointwise} conv\n{C} → {C}"  # noqa: RUF001
    texts["bn"] = NAMES.get(ach.bn, ach.bn)
    if ach.score:
        kernel = f"\nkernel {ach.score_kernel}" if ach.score_kernel else ""
        texts["score"] = NAMES.get(ach.score, ach.score) + kernel
        texts["choice"] = {
            "gumbel": "training: Gumbel top-k\ninference: top-k",
            "topk": "top-k",
        }.get(ach.selection, ach.selection)
    texts["selected"] = f"k = {k}" if ach.score else f"the first {k}"
    if ach.product_of != "normalised":
        texts["selected"] += ", not\nnormalised"
    texts["products"] = f"all pairs ⊙\n{k}·{k - 1}/2 = {products}"
    texts["norm"] = NAMES.get(ach.norm, ach.norm)
    texts["output"] = f"{out} × {size} × {size}"  # noqa: RUF001
    return texts


def _module(ax: Axes, ach: AchExpansion, texts: dict[str, str]) -> None:
    diagram.canvas(ax, WIDTH, HEIGHT)
    colours, chosen = _colours(ach)
    mixed = [colours[chosen.index(n)] if n in chosen else UNCHOSEN for n in range(ach.channels)]
    top, bottom = MIDDLE + TALL / 2, MIDDLE - TALL / 2
    diagram.channels(ax, INPUT, bottom, STACK, TALL, [UNCHOSEN] * ach.channels)
    diagram.channels(ax, MIXED, bottom, STACK, TALL, mixed)
    diagram.channels(ax, SELECTED, MIDDLE - SHORT / 2, STACK, SHORT, colours)
    diagram.channels(ax, OUTPUT, bottom, STACK, TALL, mixed + _triangle(ax, colours))
    for x, name, part in ((INPUT, "X", "input"), (OUTPUT, "Y", "output")):
        _words(ax, x + STACK / 2, top + 0.08, f"{name}\n{texts[part]}", "bottom")
    _words(ax, SELECTED + STACK / 2, MIDDLE - SHORT / 2 - 0.08, f"Z\n{texts['selected']}", "top")
    _words(ax, TRIANGLE + SIDE / 2, MIDDLE - SIDE / 2 - 0.08, texts["products"], "top")
    _words(ax, (MIXED + STACK + SELECTED) / 2, MIDDLE - 0.08, "select", "top")

    end = INPUT + STACK
    for name, x in (("pointwise", 1.6), ("bn", 3.0)):
        if name in texts:
            diagram.arrow(ax, [(end, MIDDLE), (x - BOX / 2, MIDDLE)])
            diagram.box(ax, x, MIDDLE, BOX, 0.7, texts[name], colour=style.COLOURS[0])
            end = x + BOX / 2
    norm = 9.1
    for start, stop in (
        (end, MIXED),
        (MIXED + STACK, SELECTED),
        (SELECTED + STACK, TRIANGLE),
        (TRIANGLE + 0.53 * SIDE, norm - WIDE / 2),
        (norm + WIDE / 2, OUTPUT),
    ):
        diagram.arrow(ax, [(start, MIDDLE), (stop, MIDDLE)])
    diagram.box(ax, norm, MIDDLE, WIDE, 0.7, texts["norm"], colour=style.OURS)
    around = [(MIXED + STACK / 2, bottom), (MIXED + STACK / 2, BELOW), (OUTPUT + STACK / 2, BELOW)]
    diagram.arrow(ax, [*around, (OUTPUT + STACK / 2, bottom)])
    _words(ax, (MIXED + OUTPUT) / 2, BELOW - 0.04, "concatenate", "top")
    if "score" in texts:
        centre, choice = MIXED + STACK / 2, SELECTED + STACK / 2
        diagram.arrow(ax, [(centre, top), (centre, SCORES - 0.35)])
        diagram.box(ax, centre, SCORES, WIDE, 0.7, texts["score"], colour=style.COLOURS[2])
        diagram.arrow(ax, [(centre + WIDE / 2, SCORES), (choice - WIDEST / 2, SCORES)])
        diagram.box(ax, choice, SCORES, WIDEST, 0.7, texts["choice"], colour=style.COLOURS[2])
        diagram.arrow(ax, [(choice, SCORES - 0.35), (choice, MIDDLE + SHORT / 2)])


def _words(ax: Axes, x: float, y: float, text: str, va: str) -> None:
    ax.text(x, y, text, ha="center", va=va, fontsize=6.5, linespacing=1.15)


def _colours(ach: AchExpansion) -> tuple[list[str], list[int]]:
    """A colour for each chosen channel, and which those are: spread evenly, or the first where the choice is fixed."""
    k, C = ach.k, ach.channels
    colours = [to_hex(colour) for colour in matplotlib.colormaps["viridis"](np.linspace(0.05, 0.95, k))]
    return colours, [n * C // k + C // (2 * k) for n in range(k)] if ach.score else list(range(k))


def _triangle(ax: Axes, colours: list[str]) -> list[str]:
    """A square for each pair i < j, half of it in either's colour on average; returns these colours, row by row."""
    k = len(colours)
    side, mixed = SIDE / (k - 1), []
    for i in range(k):
        for j in range(i + 1, k):
            mixed.append(to_hex(np.mean([to_rgb(colours[n]) for n in (i, j)], axis=0)))
            place = (TRIANGLE + (j - i - 1) * side, MIDDLE + SIDE / 2 - (i + 1) * side)
            ax.add_patch(Rectangle(place, side, side, facecolor=mixed[-1], edgecolor="white", linewidth=0.2, zorder=2))
    return mixed


def _alt(spec: FigureSpec, texts: dict[str, str], layer: int) -> str:
    """What the diagram shows, in words, from its texts."""
    flat = {part: text.replace("\n", ", ") for part, text in texts.items()}
    steps = [flat[part] for part in ("pointwise", "bn") if part in flat]
    scored = (
        f"{flat['score']} scores the channels; the choice is {flat['choice'].replace(', inference', '; inference')}. "
        if "score" in flat
        else ""
    )
    return (
        f"Diagram of the first ACH of the net, layer {layer}. Its input X, {flat['input']} (channels, height, width) "
        f"passes {' and '.join(steps)}. {scored}The channels selected, Z ({flat['selected']}), are multiplied: "
        f"{flat['products']} products. These pass {flat['norm']} and are concatenated to the channels after "
        f"{flat['bn']}: the output Y, {flat['output']}. Scale {spec.scale}: {spec.about}."
    )
