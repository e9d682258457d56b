"""Figure 1: accuracy against operations and against latency, from Table 7's records; hollow marks as published.

Measured models are drawn by seaborn from the tidy table of all seeds: means, and deviations as bars.
"""

from __future__ import annotations

import itertools
import textwrap
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from hadaptive.paper.cells import Cell
from hadaptive.paper.figures import Drawn, style
from hadaptive.paper.spec import FigureSpec, TableSpec, record_ids
from hadaptive.paper.tables import table7
from hadaptive.paper.tables.frame import Records

if TYPE_CHECKING:
    import pandas as pd

ACCURACY, FLOPS = "cifar100_top1", "flops_m"
DEVICES = {"gpu": "GPU", "cpu": "CPU", "mobile": "mobile"}  # the first that was measured is shown
MARK_PT, LINE_PT = 4.0, 0.7
WAYS = ("measured", "published")
Place = tuple[float, float]


@dataclass(frozen=True)
class Model:
    """A row of Table 7 on a panel: where it was measured and where it was published, or why it was not."""

    label: str
    ours: bool
    measured: Place | None
    published: Place | None
    why: str
    top1: tuple[float, ...] = ()  # of every seed, where it was measured

    @property
    def family(self) -> str:
        return self.label.rpartition("-")[0] or self.label


@dataclass(frozen=True)
class Panel:
    """One horizontal axis: a column of Table 7."""

    column: str
    title: str
    models: list[Model]

    def places(self, way: str) -> list[Place]:
        return [place for model in self.models if (place := getattr(model, way)) is not None]


def draw(spec: FigureSpec, results_root: Path) -> Drawn:
    """Two panels; one band of accuracies, or two where measured and published ones lie apart."""
    assert spec.table is not None, "figure1 shows what a table shows"
    cells, seeds = table7.frames(spec.table, results_root)[1].cells, _seeds(spec.table, results_root)
    device = next((d for d in DEVICES if any(cell.value for cell in cells[f"latency_{d}_ms"])), "cpu")
    panels = [
        Panel(FLOPS, "FLOPs (M), as in Table 7", _models(spec.table, cells, FLOPS, seeds)),
        Panel(
            f"latency_{device}_ms",
            f"{DEVICES[device]} latency (ms)",
            _models(spec.table, cells, f"latency_{device}_ms", seeds),
        ),
    ]
    families = list(dict.fromkeys(model.family for model in sorted(panels[0].models, key=lambda model: not model.ours)))
    data = spec.table.source("cifar100").stand_in
    bands = _bands(panels, apart=data is not None)
    made = style.figure(height_in=1.5 + 2.6 * len(bands))
    style.heading(made, spec)
    axes = made.subplots(len(bands), 2, sharey="row", squeeze=False)
    for ax in axes[1:, 0]:  # operations are the same on every machine, milliseconds are not
        ax.sharex(axes[0, 0])
    for column, panel in enumerate(panels):
        for band, ax in zip(bands, axes[:, column], strict=True):
            _draw(ax, panel, families, band)
        axes[-1, column].set_xlabel(panel.title)
    for band, ax in zip(bands, axes[:, 0], strict=True):
        ax.set_ylabel(_said(band, data))
    _legend(made, panels, data)
    for ax in axes.flat:  # names and their lines must not move what they name
        ax.set(xlim=ax.get_xlim(), ylim=ax.get_ylim())
    made.draw_without_rendering()
    made.set_layout_engine("none")
    for column, panel in enumerate(panels):
        for band, ax in zip(bands, axes[:, column], strict=True):
            _name(ax, panel, families, band, labelled=len(bands) > 1)
    title = f"Figure 1: accuracy against operations and latency, at scale {spec.scale}"
    return Drawn(made, title, _alt(spec, panels, data), _rows(panels))


def _seeds(table: TableSpec, results_root: Path) -> dict[str, tuple[float, ...]]:
    """The accuracies of every seed, by the label of a row: `hadaptive.paper.results.tidy` of the table's records."""
    results = Records(table, results_root).table
    top1 = results[(results["metric"] == "top1_last") & results["value"].notna()].set_index("id")["value"]
    found = {}
    for row in table.rows:
        ids = [] if table.why_not(row, "cifar100") else record_ids(table, row, "cifar100")
        found[row.label] = tuple(float(top1[each]) for each in ids if each in top1)
    return found


def _models(
    table: TableSpec, cells: dict[str, list[Cell]], column: str, seeds: dict[str, tuple[float, ...]]
) -> list[Model]:
    found = []
    for n, row in enumerate(table.rows):
        both = [cells[key][n] for key in (column, ACCURACY)]
        printed = [cells[f"{key}_published"][n] for key in (column, ACCURACY)]
        reasons = [cell.remark.text for cell in both if cell.value is None and cell.remark]
        measured, why = _place(both), "; ".join(dict.fromkeys(reasons))
        found.append(Model(row.label, row.ours, measured, _place(printed), why, seeds[row.label] if measured else ()))
    return found


def _place(cells: list[Cell]) -> Place | None:
    x, y = (cell.value for cell in cells)
    return None if x is None or y is None else (x, y)


def _bands(panels: list[Panel], apart: bool) -> list[tuple[str, ...]]:
    """The ways whose accuracies share axes, from top to bottom."""
    heights = {way: [y for panel in panels for _, y in panel.places(way)] for way in WAYS}
    there = [way for way in WAYS if heights[way]]
    if len(there) < 2:
        return [tuple(there) or WAYS]
    measured, published = heights["measured"], heights["published"]
    if not apart and max(measured) >= min(published) and max(published) >= min(measured):
        return [WAYS]
    return [(way,) for way in sorted(WAYS, key=lambda way: -max(heights[way]))]


def _said(band: tuple[str, ...], data: str | None) -> str:
    on = data if data and band == ("measured",) else "CIFAR-100"
    which = "" if len(band) > 1 else ", here" if band == ("measured",) else ", as published"
    return f"Top-1 (%){which}\n{on}"


def _look(family: str, families: list[str]) -> tuple[str, str]:
    """Colour and mark; the first family, ours, has the accent. Beyond eight families colours come again with marks."""
    n = families.index(family)
    colours = [style.OURS, *(colour for colour in style.COLOURS if colour != style.OURS)]
    marks = ["D", *(mark for mark in style.MARKS if mark != "D")]
    return colours[n % len(colours)], marks[(n + n // len(colours)) % len(marks)]


def _draw(ax: Axes, panel: Panel, families: list[str], band: tuple[str, ...]) -> None:
    """A line and marks for each family, filled where measured, hollow where published; ours over the others."""
    import seaborn  # brings pandas: only where something is drawn

    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    ax.margins(0.1, 0.16)
    ax.grid(color=style.EMPTY, linewidth=0.4)
    ax.set_axisbelow(True)
    looks = {family: _look(family, families) for family in families}
    for way, ours in itertools.product(band, (False, True)):
        results = _frame(panel, way, ours)
        if not len(results):
            continue
        hollow: dict[str, Any] = {} if way == "measured" else {"markerfacecolor": "white"}
        seaborn.lineplot(
            results,
            x="x",
            y="top1",
            hue="family",
            style="family",
            palette={family: colour for family, (colour, _) in looks.items()},
            markers={family: mark for family, (_, mark) in looks.items()},
            dashes=False,
            errorbar="sd",
            err_style="bars",
            err_kws={"elinewidth": 0.7, "capsize": 1.5},
            linestyle="-" if way == "measured" else ":",
            linewidth=LINE_PT * (1 + ours),
            markersize=MARK_PT + ours,
            markeredgewidth=0.7,
            markeredgecolor="auto",
            zorder=3 + 2 * (way == "measured") + 4 * ours,
            legend=False,
            ax=ax,
            **hollow,
        )
    ax.set(xlabel="", ylabel="")
    if not any(panel.places(way) for way in band):
        style.empty(ax, "nothing published, nothing run")


def _frame(panel: Panel, way: str, ours: bool) -> pd.DataFrame:
    """A row for each model and seed, or for each published model: family, x, top1."""
    import pandas as pd

    rows = [
        (model.family, place[0], top1)
        for model in panel.models
        if model.ours is ours and (place := getattr(model, way)) is not None
        for top1 in (model.top1 if way == "measured" else (place[1],))
    ]
    return pd.DataFrame(rows, columns=["family", "x", "top1"])


def _name(ax: Axes, panel: Panel, families: list[str], band: tuple[str, ...], labelled: bool) -> None:
    """Each model's name beside its mark: the measured one where both stand on these axes."""
    import textalloc  # only where there is something to name

    named = [(model, place) for model in panel.models if (place := _shown(model, band)) is not None]
    if not named:
        return
    every = [place for way in band for place in panel.places(way)]
    lines = [
        sorted(place for model in panel.models if model.family == family and (place := getattr(model, way)) is not None)
        for family in families
        for way in band
    ]
    lines = [line for line in lines if len(line) > 1]
    textalloc.allocate(
        ax,
        [x for _, (x, _) in named],
        [y for _, (_, y) in named],
        [model.label for model, _ in named],
        x_scatter=[x for x, _ in every],
        y_scatter=[y for _, y in every],
        textsize=style.SMALL,
        x_lines=[[x for x, _ in line] for line in lines],
        y_lines=[[y for _, y in line] for line in lines],
        textcolor=[_look(model.family, families)[0] for model, _ in named],
        linecolor=[_look(model.family, families)[0] for model, _ in named],
        linewidth=0.4,
        margin=0.012,
        min_distance=0.02,
        max_distance=0.35,
        nbr_candidates=800,
        avoid_label_lines_overlap=True,
        avoid_crossing_label_lines=True,
        zorder=10,
        path_effects=[withStroke(linewidth=1.2, foreground="white")],  # legible on a line or a mark, too
    )


def _shown(model: Model, band: tuple[str, ...]) -> Place | None:
    return next((place for way in band if (place := getattr(model, way)) is not None), None)


def _legend(made: Figure, panels: list[Panel], data: str | None) -> None:
    several = any(len(model.top1) > 1 for panel in panels for model in panel.models)
    named = {"measured": "measured" + ", mean and deviation over seeds" * several, "published": "published"}
    handles = [
        Line2D(
            [],
            [],
            color=style.INK,
            marker="o",
            markersize=MARK_PT,
            linewidth=LINE_PT,
            label=label,
            linestyle="-" if way == "measured" else ":",
            markerfacecolor=style.INK if way == "measured" else "white",
        )
        for way, label in named.items()
    ]
    made.legend(
        handles=handles,
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=6.5,
        title="\n".join(textwrap.wrap(_key(panels, data), 120)),
        title_fontsize=6.5,
    )


def _key(panels: list[Panel], data: str | None) -> str:
    """What marks mean, and why some models have no filled one."""
    on = f" ({data})" if data else ""
    sentences = [f"Filled: measured here{on}. Hollow: as published, on other machines."]
    for panel in panels:
        why = Counter(model.why for model in panel.models if model.measured is None)
        if why:
            name = "FLOPs" if panel.column == FLOPS else "latency"
            reasons = "; ".join(f"{n} model{'s' * (n > 1)} ({reason})" for reason, n in why.items())
            sentences.append(f"Not measured against {name}: {reasons}.")
    return " ".join(sentences)


def _rows(panels: list[Panel]) -> list[list[str]]:
    rows = [["column", "label", "family", *(f"{axis}_{way}" for way in WAYS for axis in ("x", "top1")), "reason"]]
    for panel in panels:
        for model in panel.models:
            places = [getattr(model, way) or ("", "") for way in WAYS]
            numbers = [f"{number:.10g}" if number != "" else "" for place in places for number in place]
            rows.append([panel.column, model.label, model.family, *numbers, model.why])
    return rows


def _alt(spec: FigureSpec, panels: list[Panel], data: str | None) -> str:
    """What the figure shows, in words, from the numbers in it."""
    sentences = [
        f"Two plots of top-1 accuracy, one mark a model, families joined by lines: against {panels[0].title} and "
        f"against {panels[1].title}, both logarithmic.",
        _key(panels, data),
    ]
    for way in WAYS:
        places = [(model.label, *getattr(model, way)) for model in panels[0].models if getattr(model, way)]
        if places:
            best = max(places, key=lambda place: place[2])
            least = min(places, key=lambda place: place[1])
            sentences.append(
                f"{way.capitalize()}: the most accurate is {best[0]}, {best[2]:.2f}% at {best[1]:.0f} M; the "
                f"cheapest {least[0]}, {least[2]:.2f}% at {least[1]:.0f} M."
            )
    marked = "Demonstration, not a result. " if spec.demonstration else ""
    return f"{marked}{' '.join(sentences)} Scale {spec.scale}: {spec.about}."
