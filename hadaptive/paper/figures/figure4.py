"""Figure 4: Hadaptive-Net from input to output, as the record of its layers describes it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise
from pathlib import Path

from matplotlib.axes import Axes

from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.figures import Drawn, diagram, style
from hadaptive.paper.figures.figure2 import NAMES
from hadaptive.paper.spec import FigureSpec, record_path
from hadaptive.record.measures import AchExpansion, BottleneckLayer, ConvolutionLayer, HeadLayer, Layer, StructureRecord

WIDTH, HEIGHT = 11.0, 6.2
LAYERS, LAYER = 4.35, 1.9  # middle and height of the row of layers
KEY = 2.72
INSIDE = (1.9, 0.75)  # heights of the two bottlenecks shown from inside
COLOURS = {"CNA": style.COLOURS[0], "Ghost": style.COLOURS[2], "ACH": style.OURS, "FN": style.INK}
KINDS = {
    "CNA": "convolution, norm, activation",
    "Ghost": "bottleneck with Ghost",
    "ACH": "bottleneck with ACH",
    "FN": "fully connected",
}


def draw(spec: FigureSpec, results_root: Path) -> Drawn:
    """A row of layers by stage, beneath it the two kinds of bottleneck; empty, with the reason, without a record."""
    (record_id,) = spec.records
    record = read_record(record_path(spec, record_id, results_root), record_id, spec.scale, StructureRecord)
    made = style.figure(height_in=style.WIDTH_IN * HEIGHT / WIDTH)
    ax = made.subplots()
    title = f"Figure 4: architecture of {{}}, at scale {spec.scale}"
    rows = [["layer", "kind", "label", "channels", "pixels", "stage"]]
    if isinstance(record, Remark):
        style.empty(ax, record.text)
        return Drawn(
            made, title.format("Hadaptive-Net"), f"Empty: {record.text}. Scale {spec.scale}: {spec.about}.", rows
        )
    layers, image = record.metrics.layers, record.settings.image_size
    named = stages(layers)
    diagram.canvas(ax, WIDTH, HEIGHT)
    _row(ax, layers, named, image)
    _key(ax)
    bottlenecks = [each for each in layers if isinstance(each, BottleneckLayer)]
    shown = [
        next((each for each in bottlenecks if kind(each) == name and each.residual), None) for name in ("ACH", "Ghost")
    ]
    for layer, y in zip(shown, INSIDE, strict=True):
        if layer is not None:
            _bottleneck(ax, layer, y)
    rows += [
        [str(each.layer), kind(each), label(each), str(each.out), str(each.size), stage]
        for stage, members in named
        for each in members
    ]
    name = record.model.replace("_", "-").title()  # Hadaptive-Net-S
    return Drawn(made, title.format(name), _alt(spec, named, record), rows)


def kind(layer: Layer) -> str:
    """CNA, Ghost, ACH or FN."""
    return layer.expansion.kind if isinstance(layer, BottleneckLayer) else layer.module


def label(layer: Layer) -> str:
    """What stands in a layer's box."""
    if isinstance(layer, HeadLayer):
        return f"pool, FN {layer.hidden}, {layer.out}"
    kernel = f"{layer.kernel}×{layer.kernel}"  # noqa: RUF001
    if isinstance(layer, ConvolutionLayer):
        return f"conv {kernel}"
    expansion = layer.expansion
    how = f"k = {expansion.k}" if isinstance(expansion, AchExpansion) else f"{expansion.times:g} times"
    return f"{expansion.kind}, {how}; {kernel}"


def stages(layers: list[Layer]) -> list[tuple[str, list[Layer]]]:
    """The layers from one downsampling to the next, named as the paper does: stem, stage 1 ..., head."""
    body = [layer for layer in layers if not isinstance(layer, HeadLayer)]
    halved = 0
    numbers = []
    for layer in body:
        halved += layer.stride > 1
        numbers.append(halved)
    found: list[tuple[str, list[Layer]]] = []
    for number, members in groupby(zip(numbers, body, strict=True), key=lambda pair: pair[0]):
        found.append(("stem" if number <= 1 else f"stage {number - 1}", [layer for _, layer in members]))
    head: list[Layer] = [layer for layer in layers if isinstance(layer, HeadLayer)]
    return [*found, ("head", head)] if head else found


def _places(named: list[tuple[str, list[Layer]]]) -> Iterator[tuple[str, list[tuple[float, Layer]]]]:
    """The middle of every layer's box, with a gap between stages."""
    gap, start = 0.14, 0.75
    count = sum(len(members) for _, members in named)
    each = (WIDTH - start - gap * len(named)) / count
    x = start
    for stage, members in named:
        yield stage, [(x + (n + 0.5) * each, layer) for n, layer in enumerate(members)]
        x += len(members) * each + gap


def _row(ax: Axes, layers: list[Layer], named: list[tuple[str, list[Layer]]], image: int) -> None:
    placed = list(_places(named))
    flat = [x for _, members in placed for x, _ in members]
    wide = 0.8 * min(after - before for before, after in pairwise(flat))
    top, bottom = LAYERS + LAYER / 2, LAYERS - LAYER / 2
    ax.text(0.36, LAYERS, f"image\n{layers[0].in_} channels\n{image} px", ha="center", va="center", fontsize=6)
    flow = bottom - 0.22
    diagram.arrow(ax, [(0.1, flow), (WIDTH - 0.02, flow)])
    for stage, members in placed:
        left, right = members[0][0] - wide / 2, members[-1][0] + wide / 2
        ax.plot([left, right], [top + 0.3] * 2, color=style.INK, linewidth=diagram.LINE_PT)
        size = members[-1][1].size
        heading = stage if stage == "head" else f"{stage}\n{size} px"
        ax.text((left + right) / 2, top + 0.36, heading, ha="center", va="bottom", fontsize=6.5, linespacing=1.1)
        for x, layer in members:
            diagram.box(ax, x, LAYERS, wide, LAYER, label(layer), colour=COLOURS[kind(layer)], size=6.5, rotation=90)
            if not isinstance(layer, HeadLayer) and layer.stride > 1:
                ax.plot([x], [top + 0.14], marker="v", markersize=3.2, color=style.INK)
            ax.text(
                x,
                flow,
                str(layer.out),
                ha="center",
                va="center",
                fontsize=6,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
            )


def _bottleneck(ax: Axes, layer: BottleneckLayer, y: float) -> None:
    """A bottleneck from inside: expansion, depthwise convolution, projection, and the input that is added."""
    expansion, kernel = layer.expansion, layer.kernel
    size = f"{kernel}×{kernel}"  # noqa: RUF001
    if isinstance(expansion, AchExpansion):
        how = f"ACH, k = {expansion.k}, {NAMES.get(expansion.norm, expansion.norm)}\n"
        how += f"{expansion.channels} and {expansion.products} products"
    else:
        cheap = f"{expansion.kernel}×{expansion.kernel}"  # noqa: RUF001
        how = f"Ghost\n{expansion.s} by 1×1, {layer.width - expansion.s} by {cheap}"  # noqa: RUF001
    steps = (
        (how, COLOURS[expansion.kind], layer.width),
        (f"depthwise {size}\nhardswish", style.COLOURS[0], layer.width),
        ("1×1 conv", style.COLOURS[0], layer.out),  # noqa: RUF001
    )
    ax.text(0.1, y, f"layer {layer.layer}", ha="left", va="center", fontsize=6.5)
    wide, between, start = 2.4, 0.55, 1.0
    x, left = start + between + wide / 2, start
    for text, colour, out in (("", "", layer.in_), *steps):
        if text:
            diagram.box(ax, x, y, wide, 0.62, text, colour=colour)
            left, x = x + wide / 2, x + wide + between
        diagram.arrow(ax, [(left, y), (left + between, y)])
        ax.text(left + between / 2 - 0.03, y + 0.05, str(out), ha="center", va="bottom", fontsize=6)
    if layer.residual:
        centre, around = left + between + 0.12, y - 0.47
        diagram.arrow(ax, [(start + 0.1, y), (start + 0.1, around), (centre, around), (centre, y - 0.12)])
        diagram.plus(ax, centre, y, 0.12)
        diagram.arrow(ax, [(centre + 0.12, y), (centre + 0.5, y)])


def _key(ax: Axes) -> None:
    x = 0.1
    for name, words in KINDS.items():
        diagram.box(ax, x + 0.13, KEY, 0.26, 0.2, "", colour=COLOURS[name])
        ax.text(x + 0.36, KEY, words, ha="left", va="center", fontsize=6.5)
        x += 0.62 + 0.088 * len(words)
    ax.plot([x + 0.1], [KEY], marker="v", markersize=3.2, color=style.INK)
    ax.text(x + 0.26, KEY, "halves the size", ha="left", va="center", fontsize=6.5)


def _alt(spec: FigureSpec, named: list[tuple[str, list[Layer]]], record: StructureRecord) -> str:
    """What the diagram shows, in words, from the record."""
    image = record.settings.image_size
    sentences = [f"Diagram of {record.model}, variant {record.variant}, from an image of {image} px."]
    for stage, members in named:
        each = "; ".join(f"{layer.layer}: {label(layer)} to {layer.out} channels" for layer in members)
        sentences.append(f"{stage.capitalize()}, {members[-1].size} px: {each}.")
    sentences.append(
        "Beneath, a bottleneck with ACH and one with Ghost from inside: expansion, depthwise convolution, 1x1 "
        "convolution; the input is added."
    )
    return f"{' '.join(sentences)} Scale {spec.scale}: {spec.about}."
