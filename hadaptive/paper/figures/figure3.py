"""Figure 3's diagram: the adaptive cross-Hadamard module, and what each row of its table changes in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.axes import Axes

from hadaptive.paper.figures import Drawn, diagram, style
from hadaptive.paper.spec import FigureSpec

MAIN, SIDE = 0.0, 1.45  # columns: what the features pass through, and what scores them
WIDTH, HEIGHT = 1.2, 0.56
LEFT = -0.95  # where the features go round the products


@dataclass(frozen=True)
class Step:
    """A box: its words, its place, and the boxes whose output it takes."""

    text: str
    x: float
    y: float
    after: tuple[str, ...]


STEPS: dict[str, Step] = {
    "pointwise": Step("1×1 conv", MAIN, 6, ()),  # noqa: RUF001
    "bn": Step("batch norm", MAIN, 5, ("pointwise",)),
    "score": Step("ECA", SIDE, 5, ("bn",)),
    "choice": Step("Gumbel top-k", SIDE, 4, ("score",)),
    "select": Step("select k", MAIN, 4, ("bn", "choice")),
    "products": Step("all pairs ⊙", MAIN, 3, ("select",)),
    "norm": Step("DySoft", MAIN, 2, ("products",)),
    "concat": Step("concatenate", MAIN, 1, ("norm",)),
}


@dataclass(frozen=True)
class Variation:
    """A panel: the variant of params.yaml that it draws, boxes that are gone, boxes that say something else."""

    title: str
    variant: str
    gone: tuple[str, ...] = ()
    instead: Mapping[str, str] = field(default_factory=dict)
    cut: tuple[tuple[str, str], ...] = ()  # arrows that are gone while both boxes stay


VARIATIONS = (
    Variation("ACH", "dysoft"),
    Variation("(1) no pointwise conv", "no_pointwise", gone=("pointwise",)),
    Variation("(2) no ECA", "no_eca", instead={"score": "learned score"}, cut=(("bn", "score"),)),
    Variation("(3) fixed channels", "fixed", gone=("score", "choice"), instead={"select": "first k"}),
    Variation("(4) batch norm", "batchnorm", instead={"norm": "batch norm"}),
)


def draw(spec: FigureSpec, results_root: Path) -> Drawn:
    """Five panels and a key."""
    made = style.figure(height_in=4.4)
    axes = made.subplots(2, 3).flat
    for ax, variation in zip(axes, VARIATIONS, strict=False):
        _panel(ax, variation)
    _key(axes[len(VARIATIONS)])
    rows = [["panel", "variant", "gone", "instead"]]
    rows += [
        [
            each.title,
            each.variant,
            "; ".join(STEPS[name].text for name in each.gone),
            "; ".join(f"{text} for {STEPS[name].text}" for name, text in each.instead.items()),
        ]
        for each in VARIATIONS
    ]
    return Drawn(
        made, f"Figure 3: components of the adaptive cross-Hadamard module, at scale {spec.scale}", _alt(), rows
    )


def _panel(ax: Axes, variation: Variation) -> None:
    _empty(ax, variation.title)
    for name, step in STEPS.items():
        gone = name in variation.gone
        for other in step.after:
            if (other, name) not in variation.cut:
                _arrow(ax, STEPS[other], step, faint=gone or (other in variation.gone and STEPS[other].x != step.x))
        _box(ax, step.x, step.y, variation.instead.get(name, step.text), gone, name in variation.instead)
    top, bottom = STEPS["pointwise"], STEPS["concat"]
    for y, text in ((top.y + 0.85, "C channels"), (bottom.y - 0.85, "C + k(k−1)/2 channels")):  # noqa: RUF001
        ax.text(MAIN, y, text, ha="center", va="center", fontsize=6.5, color=style.FAINT)
    diagram.arrow(ax, [(MAIN, top.y + 0.68), (MAIN, top.y + HEIGHT / 2)])
    diagram.arrow(ax, [(MAIN, bottom.y - HEIGHT / 2), (MAIN, bottom.y - 0.68)])
    bn = STEPS["bn"]
    diagram.arrow(ax, [(MAIN - WIDTH / 2, bn.y), (LEFT, bn.y), (LEFT, bottom.y), (MAIN - WIDTH / 2, bottom.y)])


def _arrow(ax: Axes, start: Step, end: Step, faint: bool) -> None:
    if start.x == end.x:
        points = [(start.x, start.y - HEIGHT / 2), (end.x, end.y + HEIGHT / 2)]
    else:
        side = 1 if end.x > start.x else -1
        points = [(start.x + side * WIDTH / 2, start.y), (end.x - side * WIDTH / 2, end.y)]
    diagram.arrow(ax, points, faint=faint)


def _box(ax: Axes, x: float, y: float, text: str, gone: bool, changed: bool) -> None:
    colour = style.OURS if changed else style.INK
    diagram.box(ax, x, y, WIDTH, HEIGHT, text, faint=gone, colour=colour, strong=changed)


def _key(ax: Axes) -> None:
    _empty(ax, "")
    for y, label, gone, changed in ((5, "removed", True, False), (4, "replaced", False, True)):
        _box(ax, MAIN, y, "", gone, changed)
        ax.text(MAIN + 0.85, y, label, va="center", fontsize=7)
    key = "⊙: product of two channels,\npixel by pixel"
    ax.text(MAIN - WIDTH / 2, 2.9, key, va="center", fontsize=7, linespacing=1.4)


def _empty(ax: Axes, title: str) -> None:
    ax.set_title(title, fontsize=8)
    ax.set_xlim(LEFT - 0.15, SIDE + WIDTH / 2 + 0.15)
    ax.set_ylim(0, 7)
    ax.axis("off")


def _alt() -> str:
    return (
        "Diagram. The input passes a 1x1 convolution and batch norm. ECA scores the channels and Gumbel top-k chooses "
        "k of them; all pairs of these are multiplied pixel by pixel, normalised by DySoft and concatenated to the "
        "channels after batch norm. Four variations: (1) without the 1x1 convolution; (2) a learned score, that no "
        "input changes, in the place of ECA; (3) without scores and choice, always the first k channels; (4) batch "
        "norm in the place of DySoft."
    )
