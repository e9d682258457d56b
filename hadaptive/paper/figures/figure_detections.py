"""Detections drawn on sample images (section 5.4): detections and ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from PIL import Image

from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.figures import Drawn, style
from hadaptive.paper.spec import FigureSpec, record_path
from hadaptive.record.trainings import Detected, DetectionRecord, Sample, ScoredBox

COLUMNS = 4
LEAST_SCORE = 0.3  # below it a detection is drawn only where it is the image's best
MOST = 6  # detections drawn on an image
PANEL_PT = 93  # side of a panel on the page, points
FOUND, THERE = style.COLOURS[1], "#FFFFFF"
HEAD = ["image", "what", "class", "score", "x1", "y1", "x2", "y2"]


def draw(spec: FigureSpec, results_root: Path) -> Drawn:
    """A grid of sample images with boxes: objects dashed, detections in colour with class and score."""
    samples, why = _samples(spec, results_root)
    table = [HEAD]
    if not samples:
        made = style.absent(spec, why)
    else:
        rows = -(-len(samples) // COLUMNS)
        made = style.figure(height_in=0.55 + 1.3 * rows)
        style.heading(made, spec)
        axes = made.subplots(rows, COLUMNS, squeeze=False).flatten()
        for ax in axes:
            ax.axis("off")
        for ax, sample in zip(axes, samples, strict=False):
            table += _panel(ax, sample)
        lines = [
            Line2D([], [], color=FOUND, label="detected: class, score"),
            Line2D([], [], color=style.FAINT, linestyle=(0, (3, 2)), label="annotated"),
        ]
        made.legend(handles=lines, loc="outside lower center", ncols=2, frameon=False)
    title = f"Detections on sample images at scale {spec.scale}"
    return Drawn(made, title, _alt(spec, samples, why), table)


def shown(sample: Sample) -> list[ScoredBox]:
    """The detections of a sample that are drawn: scored `LEAST_SCORE` or more, at least the best, at most `MOST`."""
    return [each for n, each in enumerate(sample.found[:MOST]) if n == 0 or each.score >= LEAST_SCORE]


def _samples(spec: FigureSpec, results_root: Path) -> tuple[list[Sample], str]:
    """The samples of the record whose image is still there; or why there are none."""
    if not spec.records:
        return [], "no Hadaptive-Net trained for detection in this run"
    (record_id,) = spec.records
    record = read_record(record_path(spec, record_id, results_root), record_id, spec.scale, DetectionRecord)
    if isinstance(record, Remark):
        return [], record.text
    samples = [each for each in record.metrics.samples if Path(each.image).is_file()]
    return samples, "" if samples else "the sample images are no longer where they were"


def _panel(ax: Axes, sample: Sample) -> list[list[str]]:
    with Image.open(sample.image) as file:
        image = file.convert("RGB")
    width, height = image.size
    ax.imshow(image, interpolation="bilinear")
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    for each in sample.there:
        for colour, look in (("#000000", "-"), (THERE, (0, (3, 2)))):  # seen on any ground
            ax.add_patch(_box(each.box, colour, look, 0.8))
    drawn = shown(sample)
    for each in reversed(drawn):
        ax.add_patch(_box(each.box, FOUND, "-", 1.2))
    taken: list[tuple[float, float, float, float]] = []
    for each in drawn:
        text = f"{each.class_} {each.score:.2f}"
        side = max(width, height) / PANEL_PT  # pixels of the image in a point of the page
        place = _free(each.box, (len(text) * 2.6 * side, 6.4 * side), (width, height), taken)
        if place is not None:
            taken.append(place)
            ax.text(
                place[0],
                place[3],
                text,
                fontsize=5,
                color="#FFFFFF",
                ha="left",
                va="bottom",
                clip_on=True,
                bbox={"facecolor": FOUND, "edgecolor": "none", "pad": 0.6},
            )
    name = Path(sample.image).name
    kinds: tuple[tuple[str, Sequence[Detected]], ...] = (("annotated", sample.there), ("detected", drawn))
    return [
        [
            name,
            what,
            each.class_,
            "" if each.score is None else f"{each.score:.4f}",
            *(f"{v:.1f}" for v in each.box),
        ]
        for what, boxes in kinds
        for each in boxes
    ]


def _free(
    box: list[float], label: tuple[float, float], image: tuple[int, int], taken: list[tuple[float, float, float, float]]
) -> tuple[float, float, float, float] | None:
    """Where a label of that size meets no other: above its box, in its corners, else down its side; None if nowhere."""
    (x1, y1, x2, y2), (wide, high) = box, label
    rows = (y1 - high, y1, y2 - high)
    corners = [(x, y) for x in (x1, x2 - wide) for y in rows]
    beside = [(x1, y1 + n * high / 2) for n in range(2, int(2 * (y2 - y1) / high))]
    for left, top in corners + beside:
        x, y = min(max(left, 0), image[0] - wide), min(max(top, 0), image[1] - high)
        place = (x, y, x + wide, y + high)
        if all(place[2] <= o[0] or o[2] <= x or place[3] <= o[1] or o[3] <= y for o in taken):
            return place
    return None


def _box(box: list[float], colour: str, look: Any, width: float) -> Rectangle:
    x1, y1, x2, y2 = box
    return Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour, linestyle=look, linewidth=width)


def _alt(spec: FigureSpec, samples: list[Sample], why: str) -> str:
    """What the figure shows, in words, from the numbers in it."""
    sentences = [
        f"Sample images of the test data with their annotated objects and what the model detects with a score of "
        f"{LEAST_SCORE} or more, at least the best detection of each image."
    ]
    if not samples:
        sentences.append(f"Empty, not measured: {why}.")
    for sample in samples:
        names = ", ".join(f"{each.class_} {each.score:.2f}" for each in shown(sample)) or "nothing"
        there = ", ".join(each.class_ for each in sample.there) or "nothing"
        sentences.append(f"{Path(sample.image).name}: {there} annotated, {names} detected.")
    marked = "Demonstration, not a result. " if spec.demonstration else ""
    return f"{marked}{' '.join(sentences)} Scale {spec.scale}: {spec.about}."
