"""Figures 5 and 6: operations of pointwise convolution, Ghost and ACH, as counted and by the paper's formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from hadaptive.paper import operations
from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.claims.expansion_cost import ratio
from hadaptive.paper.figures import Drawn, style
from hadaptive.paper.spec import FigureSpec, record_path
from hadaptive.record.measures import ExpansionsRecord, Point

WAYS = {"pointwise": "Pointwise", "ghost": "Ghost", "ach": "ACH"}
LOOKS = {"pointwise": (style.COLOURS[0], "o"), "ghost": (style.COLOURS[2], "s"), "ach": (style.OURS, "D")}
COUNTS = ("macs", "hadamard_products", "macs_with_hadamard", "flops", "flops_all")
GHOST_KERNEL = 3
GIGA = 1e9
Look = Literal["-", "--", ":", "-."]
Formula = Callable[[Any, Any], Any]  # of m and n


@dataclass(frozen=True)
class Sweep:
    """What a figure goes over: the record's list, a point's place on the axis, m and n of the formulas there."""

    number: int
    metric: Literal["channels", "ratios"]  # of the record
    label: str
    place: Callable[[Point], float]
    logarithmic: bool


CHANNELS = Sweep(5, "channels", "Input channels", lambda point: float(point.channels), logarithmic=True)
RATIOS = Sweep(
    6, "ratios", "Expansion ratio", lambda point: point.ach.n / point.channels, logarithmic=False
)  # as built: ACH's widths are m + k(k-1)/2


def _ghost(of: Callable[..., Any]) -> Formula:
    """A formula of m, n, s, k with half of the channels convolved and the kernel of GhostNet."""
    return lambda m, n: of(m, n, n / 2, GHOST_KERNEL)


FORMULAS: dict[str, Formula] = {
    "pointwise": operations.pointwise,
    "ghost": _ghost(operations.ghost),
    "ach": operations.ach,
}
RATIO_FORMULAS: dict[str, tuple[tuple[Look, Formula], ...]] = {  # way -> (line style, ratio)
    "ghost": (
        ("-", _ghost(operations.ghost_ratio)),
        ("--", _ghost(operations.ghost_ratio_printed)),
        (":", _ghost(operations.ghost_ratio_short)),
    ),
    "ach": (
        ("-", operations.ach_ratio),
        ("--", operations.ach_ratio_printed),
        (":", operations.ach_ratio_short),
        ("-.", operations.ach_ratio_in_section_4_1),
    ),
}
LINES: dict[Look, str] = {
    "-": "by eqs. 12-14, corrected 15, 17",
    "--": "eqs. 15, 17 as printed",
    ":": "eqs. 16, 18 (short)",
    "-.": "section 4.1: 1/m",
}


def draw(spec: FigureSpec, results_root: Path, sweep: Sweep) -> Drawn:
    """Three panels: multiply-accumulates, all floating-point operations, and what Ghost and ACH cost over pointwise."""
    (record_id,) = spec.records
    record = read_record(record_path(spec, record_id, results_root), record_id, spec.scale, ExpansionsRecord)
    made = style.figure(height_in=2.5)
    style.heading(made, spec, spec.about)
    axes = made.subplots(1, 3)
    titles = ("(a) MACs (G)", "(b) FLOPs (G)", "(c) MACs over pointwise")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title)
        ax.set_xlabel(sweep.label)
    title = f"Figure {sweep.number}: ways of expanding channels, at scale {spec.scale}"
    rows = [["channels", "ratio_asked", "way", "n", "k", *COUNTS, "over_pointwise"]]
    if isinstance(record, Remark):
        for ax in axes:
            style.empty(ax, record.text)
        return Drawn(made, title, f"Empty, not measured: {record.text}. Scale {spec.scale}: {spec.about}.", rows)
    points: list[Point] = getattr(record.metrics, sweep.metric)
    _costs(axes[0], record, sweep, "macs_with_hadamard", 1)
    _costs(axes[1], record, sweep, "flops_all", 2)
    _over_pointwise(axes[2], points, sweep)
    for ax in axes:
        _ticks(ax, points, sweep)
    _legend(made)
    rows += [
        [
            str(point.channels),
            str(point.ratio),
            way,
            str(point.way(way).n),
            _k(point, way),
            *(str(_count(point, way, name)) for name in COUNTS),
            f"{ratio(point, way):.6f}",
        ]
        for point in points
        for way in WAYS
    ]
    return Drawn(made, title, _alt(spec, points, sweep), rows)


def _k(point: Point, way: str) -> str:
    return str(point.ach.k) if way == "ach" else ""


def _count(point: Point, way: str, name: str) -> int:
    count: int = getattr(point.way(way), name)
    return count


def _frame(points: list[Point], sweep: Sweep, value: Callable[[Point, str], float], ways: list[str]) -> dict[str, Any]:
    """Points in long form, as seaborn takes them."""
    long = [(sweep.place(point), value(point, way), way) for point in points for way in ways]
    return {name: [each[n] for each in long] for n, name in enumerate(("place", "value", "way"))}


def _marks(ax: Axes, points: list[Point], sweep: Sweep, value: Callable[[Point, str], float], ways: list[str]) -> None:
    import seaborn  # brings pandas: only where marks are drawn

    seaborn.scatterplot(
        _frame(points, sweep, value, ways),
        x="place",
        y="value",
        hue="way",
        style="way",
        legend=False,
        ax=ax,
        s=16,
        palette={way: LOOKS[way][0] for way in ways},
        markers={way: LOOKS[way][1] for way in ways},
        zorder=3,
        linewidth=0.4,
    )
    ax.set_xlabel(sweep.label)
    ax.set_ylabel("")


def _between(points: list[Point], sweep: Sweep) -> tuple[Any, Any, Any]:
    """Places on the axis from end to end, and the formulas' m and n there, both real numbers."""
    start, end = sweep.place(points[0]), sweep.place(points[-1])
    if sweep.logarithmic:
        m = np.geomspace(start, end, 200)
        return m, m, m * points[0].ratio
    times = np.linspace(start, end, 200)
    m = np.full_like(times, points[0].channels)
    return times, m, m * times


def _costs(ax: Axes, record: ExpansionsRecord, sweep: Sweep, metric: str, operations_a_mac: int) -> None:
    points: list[Point] = getattr(record.metrics, sweep.metric)
    places, m, n = _between(points, sweep)
    pixels = record.settings.image_size**2
    for way, formula in FORMULAS.items():
        products = n - m if way == "ach" else 0  # a product is one operation, not two
        by_formula = (operations_a_mac * (formula(m, n) - products) + products) * pixels / GIGA
        ax.plot(places, by_formula, color=LOOKS[way][0], linewidth=0.8)
    _marks(ax, points, sweep, lambda point, way: _count(point, way, metric) / GIGA, list(WAYS))
    if sweep.logarithmic:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        ax.set_ylim(bottom=0)


def _over_pointwise(ax: Axes, points: list[Point], sweep: Sweep) -> None:
    places, m, n = _between(points, sweep)
    for way, formulas in RATIO_FORMULAS.items():
        for look, formula in formulas:
            by_formula = formula(m, n) + np.zeros_like(places)
            ax.plot(places, by_formula, look, color=LOOKS[way][0], linewidth=0.8)
    _marks(ax, points, sweep, ratio, list(RATIO_FORMULAS))
    ax.axhline(1, color=style.LINE, linewidth=0.6, zorder=0)
    ax.set_ylim(bottom=0)


def _ticks(ax: Axes, points: list[Point], sweep: Sweep) -> None:
    if sweep.logarithmic:
        ax.set_xscale("log")
        numbers = [point.channels for point in points]
        octaves = [number for number in numbers if number & (number - 1) == 0]
        ax.set_xticks(octaves, [str(number) for number in octaves], rotation=45)
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_xticks([], minor=True)
    else:
        ax.set_xticks([point.ratio for point in points])


def _legend(made: Any) -> None:
    marks = [
        Line2D([], [], color=colour, marker=mark, linestyle="", markersize=4, label=f"{WAYS[way]}, counted")
        for way, (colour, mark) in LOOKS.items()
    ]
    lines = [Line2D([], [], color=style.INK, linestyle=look, linewidth=0.8, label=text) for look, text in LINES.items()]
    made.legend(handles=[*marks, *lines], loc="outside lower center", ncols=4, frameon=False, fontsize=6.5)


def _alt(spec: FigureSpec, points: list[Point], sweep: Sweep) -> str:
    """What the figure shows, in words, from the numbers in it."""
    first, last = points[0], points[-1]
    over = {
        "channels": f"from {first.channels} to {last.channels} input channels, each expanded about {first.ratio} times",
        "ratios": f"{first.channels} input channels, expanded about {first.ratio} to {last.ratio} times",
    }[sweep.metric]
    sentences = [
        f"Three plots of operations, {over}: multiply-accumulates (Hadamard products among them), all floating-point "
        "operations, and multiply-accumulates over those of a pointwise convolution. Marks are counted, solid lines "
        "the paper's formulas (eqs. 12 to 14; 15 and 17 corrected), dashed lines eqs. 15 and 17 as printed, dotted "
        "lines eqs. 16 and 18, the dash-dotted line the 1/m of section 4.1."
    ]
    sentences += [
        f"{WAYS[way]} over pointwise: {ratio(first, way):.3f} at first, {ratio(last, way):.3f} at last."
        for way in ("ghost", "ach")
    ]
    sentences.append(
        f"ACH's width is m + k(k-1)/2, so the ratio is met to about k/2 channels; k from {first.ach.k} to "
        f"{last.ach.k}. FLOPs count two for each multiply-accumulate and, in the marks alone, normalisation, "
        "activation and score as well."
    )
    return f"{' '.join(sentences)} Scale {spec.scale}: {spec.about}."
