"""Confidence of every layer and candidate over the epochs of the architecture search."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import SubFigure
from matplotlib.patches import Patch

from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.figures import Drawn, style
from hadaptive.paper.spec import FigureSpec, record_path
from hadaptive.paper.tables.search import candidate_name
from hadaptive.record.parts import Confidences
from hadaptive.record.trainings import SearchRecord
from hadaptive.space import Space

SHADES: dict[str, tuple[str, ...]] = {  # a hue an operator: which one wins is seen before which of its kind
    "ghost": ("#0072B2", "#7FB9DB"), "ach": ("#D55E00", "#E8A33D", "#8C3D00", "#C98B6B"), "blank": ("#999999",),
}  # fmt: skip
ROW_IN, MARGIN_IN, LINE_IN = 1.15, 0.35, 0.2

if TYPE_CHECKING:
    import pandas as pd

Curve = Mapping[str, Mapping[str, list[float]]]  # layer -> candidate -> percent by epoch


def draw(spec: FigureSpec, results_root: Path) -> Drawn:
    """A strip for each space, in it a panel for each layer: confidence by epoch, mean and deviation over seeds."""
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
    measured = {name: records for name, records in found.items() if records}
    missing = [f"{_title(name)} ({why})" for name, why in reasons.items() if name not in measured]
    if measured:
        made = style.figure(height_in=MARGIN_IN + ROW_IN * len(measured) + LINE_IN * bool(missing))
        heading = f"{marked}Scale {spec.scale}: confidence of candidates (%) by epoch, layer by layer"
        made.suptitle(heading, fontsize=8, fontweight="bold" if marked else "normal")
        if missing:
            made.supxlabel(f"Not measured: {', '.join(missing)}.", fontsize=7, color=style.FAINT)
        strips = list(made.subfigures(len(measured), 1, squeeze=False)[:, 0])
    else:
        made, strips = style.absent(spec, *(missing or [spec.about])), []
    rows, sentences = [["space", "layer", "channels", "epoch", "candidate", "confidence", "seeds"]], []
    sentences += [f"{name}: not measured, {why}." for name, why in reasons.items() if name not in measured]
    if not found:
        sentences.append(f"Empty, not measured: {spec.about}.")
    for strip, (name, records) in zip(strips, measured.items(), strict=True):
        space, curve = records[0].run.space, _curve(records)
        _strip(strip, name, space, records)
        rows += _numbers(name, space, curve, len(records))
        sentences.append(f"{name}: at the end {_ends(space, curve)}.")
    alt = (
        f"{marked}Small panels, one for each layer, of confidences over epochs. {' '.join(sentences)} "
        f"Scale {spec.scale}: {spec.about}."
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


def _frame(records: list[SearchRecord]) -> pd.DataFrame:
    """The confidences of every seed in long form: seed, layer, candidate, epoch, confidence."""
    import pandas as pd

    rows = [
        (record.run.seed, layer, candidate, number, value)
        for record in records
        for number, epoch in enumerate(record.curve, 1)
        for layer, rivals in (epoch.confidence or {}).items()
        for candidate, value in rivals.items()
    ]
    return pd.DataFrame(rows, columns=["seed", "layer", "candidate", "epoch", "confidence"])


def _strip(strip: SubFigure, name: str, space: Space, records: list[SearchRecord]) -> None:
    import seaborn  # brings pandas: only where something is drawn

    frame, colours = _frame(records), _colours(space)
    layers = sorted(frame["layer"].unique(), key=int)
    axes = strip.subplots(1, len(layers), sharey=True, squeeze=False)[0]
    last = int(frame["epoch"].max())
    for ax, layer in zip(axes, layers, strict=True):
        seaborn.lineplot(
            frame[frame["layer"] == layer],
            x="epoch",
            y="confidence",
            hue="candidate",
            palette=colours,
            errorbar="sd" if len(records) > 1 else None,
            linewidth=0.9,
            legend=False,
            ax=ax,
        )
        ax.set(xlabel="", ylabel="", ylim=(0, 100), xlim=(1, max(2, last)))
        ax.set_title(layer, fontsize=6.5, pad=2)
        ax.set_xticks([last], [str(last)], fontsize=5.5)
        ax.tick_params(length=1.5, pad=1)
        ax.set_yticks([0, 50, 100])
        ax.tick_params(axis="y", labelsize=5.5)
        for side in ax.spines.values():
            side.set_linewidth(0.3)
    handles = [Patch(color=colour, label=candidate_name(space, each)) for each, colour in colours.items()]
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


def _numbers(name: str, space: Space, curve: Curve, seeds: int) -> list[list[str]]:
    return [
        [name, layer, str(space.layers[int(layer)].out), str(n + 1), candidate, f"{value:.6g}", str(seeds)]
        for layer, rivals in curve.items()
        for candidate, values in rivals.items()
        for n, value in enumerate(values)
    ]


def _ends(space: Space, curve: Curve) -> str:
    def first(rivals: Mapping[str, list[float]]) -> Any:
        return max(rivals.items(), key=lambda item: item[1][-1])

    best = {layer: first(rivals) for layer, rivals in curve.items()}
    return ", ".join(
        f"layer {layer} {candidate_name(space, candidate)} {values[-1]:.0f}%"
        for layer, (candidate, values) in best.items()
    )
