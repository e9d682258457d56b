"""Confidence of every layer and candidate over the epochs of the architecture search."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import SubFigure
from matplotlib.patches import Patch

from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.figures import Drawn, style
from hadaptive.paper.spec import FigureSpec, record_path
from hadaptive.record.parts import Confidences
from hadaptive.record.trainings import SearchRecord
from hadaptive.space import Candidate, Space

WORDS = {"ghost": "Ghost", "ach": "ACH"}
SHADES: dict[str, tuple[str, ...]] = {  # a hue an operator: which one wins is seen before which of its kind
    "ghost": ("#0072B2", "#7FB9DB"), "ach": ("#D55E00", "#F2A65A", "#F9D9B0", "#8C3D00"), "blank": ("#DDDDDD",),
}  # fmt: skip
ROW_IN, MARGIN_IN = 1.15, 0.35

Curve = Mapping[str, Mapping[str, list[float]]]  # layer -> candidate -> percent by epoch


def draw(spec: FigureSpec, results_root: Path) -> Drawn:
    """A strip a space, in it a panel a layer: the shares of its candidates, stacked, by epoch; means over seeds."""
    found: dict[str, list[SearchRecord]] = {}
    reasons: dict[str, str] = {}
    for record_id in spec.records:
        name = record_id.split("/")[1]
        record = read_record(record_path(spec, record_id, results_root), record_id, spec.scale, SearchRecord)
        if isinstance(record, Remark):
            reasons.setdefault(name, record.text)
            found.setdefault(name, [])
        else:
            found.setdefault(name, []).append(record)
    marked = "Demonstration, not a result. " if spec.demonstration else ""
    made = style.figure(height_in=MARGIN_IN + ROW_IN * max(1, len(found)))
    title = f"{marked}Scale {spec.scale}: confidence of candidates (%) by epoch, layer by layer"
    made.suptitle(title, fontsize=8, fontweight="bold" if marked else "normal")
    strips = made.subfigures(max(1, len(found)), 1, squeeze=False)[:, 0]
    rows, said = [["space", "layer", "channels", "epoch", "candidate", "confidence", "seeds"]], []
    if not found:
        _empty(strips[0], "", spec.about)
        said.append(f"Empty, not measured: {spec.about}.")
    for strip, (name, records) in zip(strips, found.items(), strict=False):
        if not records:
            _empty(strip, name, reasons[name])
            said.append(f"{name}: not measured, {reasons[name]}.")
            continue
        space, curve = records[0].run.space, _curve(records)
        _strip(strip, name, space, curve)
        rows += _numbers(name, space, curve, len(records))
        said.append(f"{name}: at the end {_ends(curve)}.")
    alt = (
        f"{marked}Small panels, one a layer, of stacked shares over epochs. {' '.join(said)} Scale {spec.scale}: "
        f"{spec.about}."
    )
    return Drawn(made, f"Confidence over the epochs of the architecture search at scale {spec.scale}", alt, rows)


def _curve(records: list[SearchRecord]) -> Curve:
    """Means over seeds."""
    epochs: list[list[Confidences]] = [
        [epoch.confidence for epoch in each if epoch.confidence is not None]
        for each in zip(*(record.curve for record in records), strict=False)
    ]
    return {
        layer: {name: [statistics.fmean(one[layer][name] for one in each) for each in epochs] for name in rivals}
        for layer, rivals in sorted(epochs[0][0].items(), key=lambda item: int(item[0]))
    }


def _strip(strip: SubFigure, name: str, space: Space, curve: Curve) -> None:
    colours = _colours(space)
    axes = strip.subplots(1, len(curve), sharey=True, squeeze=False)[0]
    for ax, (layer, rivals) in zip(axes, curve.items(), strict=True):
        epochs = len(next(iter(rivals.values())))
        edges = [n + 0.5 for n in range(epochs + 1)]
        below = [0.0] * (epochs + 1)
        for candidate in [each for each in colours if each in rivals]:
            values = rivals[candidate]
            above = [low + value for low, value in zip(below, [*values, values[-1]], strict=True)]
            ax.fill_between(edges, below, above, step="post", color=colours[candidate], linewidth=0)
            below = above
        ax.set_xlim(edges[0], edges[-1])
        ax.set_ylim(0, 100)
        ax.set_title(layer, fontsize=6.5, pad=2)
        ax.set_xticks([epochs], [str(epochs)], fontsize=5.5)
        ax.tick_params(length=1.5, pad=1)
        ax.set_yticks([0, 50, 100])
        ax.tick_params(axis="y", labelsize=5.5)
        for side in ax.spines.values():
            side.set_linewidth(0.3)
    handles = [Patch(color=colour, label=_label(space.candidates[each])) for each, colour in colours.items()]
    strip.legend(
        handles=handles,
        loc="outside upper center",
        ncols=len(handles) + 1,
        frameon=False,
        fontsize=6,
        title=f"{_title(name)}: {space.about}",
        title_fontsize=6.5,
        handlelength=1,
        handleheight=0.8,
        columnspacing=1,
        borderaxespad=0.1,
    )


def _title(name: str) -> str:
    return f"Space of Table {name.removeprefix('table')}" if name.startswith("table") else name


def _label(candidate: Candidate) -> str:
    word = WORDS.get(candidate.op, "")
    return word if candidate.title in ("", word) else f"{word} {candidate.title}".strip()


def _colours(space: Space) -> dict[str, str]:
    """A colour a candidate that is searched, in the space's order."""
    found: dict[str, str] = {}
    used: dict[str, int] = {}
    for name in space.in_search():
        op = space.candidates[name].op
        shades = SHADES.get(op, style.COLOURS)
        found[name] = shades[used.get(op, 0) % len(shades)]
        used[op] = used.get(op, 0) + 1
    return found


def _empty(strip: SubFigure, name: str, why: str) -> None:
    ax = strip.subplots()
    ax.set_facecolor("#F7F7F7")
    ax.set_xticks([])
    ax.set_yticks([])
    head = f"{_title(name)}\n" if name else ""
    ax.text(0.5, 0.5, f"{head}not measured: {why}", ha="center", va="center", transform=ax.transAxes, color=style.FAINT)


def _numbers(name: str, space: Space, curve: Curve, seeds: int) -> list[list[str]]:
    return [
        [name, layer, str(space.layers[int(layer)].out), str(n + 1), candidate, f"{value:.6g}", str(seeds)]
        for layer, rivals in curve.items()
        for candidate, values in rivals.items()
        for n, value in enumerate(values)
    ]


def _ends(curve: Curve) -> str:
    def first(rivals: Mapping[str, list[float]]) -> Any:
        return max(rivals.items(), key=lambda item: item[1][-1])

    best = {layer: first(rivals) for layer, rivals in curve.items()}
    return ", ".join(f"layer {layer} {candidate} {values[-1]:.0f}%" for layer, (candidate, values) in best.items())
