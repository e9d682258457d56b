"""Accuracy against budget: the same models at scales that differ in the number of image passes alone."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from hadaptive.paper.cells import Remark, look_up, read_record
from hadaptive.paper.claims import estimates
from hadaptive.paper.claims.comparisons import sample
from hadaptive.paper.claims.estimates import Estimate
from hadaptive.paper.claims.spreads import model_of, spread
from hadaptive.paper.figures import Drawn, style
from hadaptive.paper.spec import FigureSpec, OtherScale, record_path
from hadaptive.record import TrainingRecord

if TYPE_CHECKING:
    import pandas as pd

METRIC = "top1_last"
APART = 1.035  # factor between the places of two lines' marks, so that intervals at one budget stand side by side

Trained = Mapping[str, list[TrainingRecord]]  # "model/variant" -> a record a seed


@dataclass(frozen=True)
class Step:
    """The trainings of one scale: how many images each saw, and of each line its records or why there are none."""

    scale: str
    passes: int
    trained: Trained
    missing: Mapping[str, str]

    def accuracies(self, line: str) -> list[float]:
        """Top-1 after the last epoch in percent, one a seed."""
        found = [look_up(record, METRIC) for record in self.trained[line]]
        return [value for value in found if not isinstance(value, Remark)]

    def mean(self, line: str) -> float:
        return statistics.fmean(self.accuracies(line))

    def difference(self, line: str, to: str) -> Estimate | None:
        """The difference of two lines that were trained, in points; None where the noise over seeds is not known."""
        several = {each: self.accuracies(each) for each in self.trained if len(self.accuracies(each)) > 1}
        noise = [spread(several, "cifar100", each) for each in (line, to)]
        if noise[0] is None or noise[1] is None:
            return None
        samples = [sample(self.trained[each], METRIC, of) for each, of in zip((line, to), noise, strict=True) if of]
        return estimates.compare(samples, lambda means: means[:, 0] - means[:, 1])


def draw(spec: FigureSpec, results_root: Path) -> Drawn:
    """Two panels against image passes: accuracy (mean and deviation over seeds), and the difference to the first line.

    Differences have the 95% intervals of `hadaptive.paper.claims.estimates`, with the variance over seeds pooled over
    the lines that have several at the same scale; a difference without an interval is drawn hollow.
    """
    steps = sorted(_steps(spec, results_root), key=lambda step: (not step.trained, step.passes))
    lines = [line for line in spec.labels if any(line in step.trained for step in steps)]
    title = f"Accuracy against budget at scale {spec.scale}"
    if not lines:
        why = sorted({why for step in steps for why in step.missing.values()}) or [spec.about]
        alt = f"Empty, not measured: {'; '.join(why)}. Scale {spec.scale}: {spec.about}."
        return Drawn(style.absent(spec, *why), title, alt, _rows(spec, steps))
    made = style.figure(height_in=2.9)
    first = next(iter(spec.labels))
    others = [line for line in lines if line != first]
    compared = [(step, line) for step in steps for line in others if {line, first} <= step.trained.keys()]
    unsure = any(step.difference(line, first) is None for step, line in compared)
    hollow = "hollow: one seed, whose noise is not known" * unsure
    style.heading(made, spec, "the same trainings with more images and epochs", hollow)
    accuracy, gaps = made.subplots(1, 2)
    _accuracies(accuracy, spec, steps, lines)
    if first in lines:
        _differences(gaps, spec, steps, others, first)
    else:
        style.empty(gaps, f"{spec.labels[first]} was not run")
    for ax in (accuracy, gaps):
        _budgets(ax, steps)
    handles, labels = accuracy.get_legend_handles_labels()
    made.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=6.5)
    return Drawn(made, title, _alt(spec, steps, lines), _rows(spec, steps))


def _steps(spec: FigureSpec, results_root: Path) -> Iterable[Step]:
    """The scales of which something was trained, or that say why nothing was."""
    scales: tuple[FigureSpec | OtherScale, ...] = (spec, *spec.others)
    for each in scales:
        trained: dict[str, list[TrainingRecord]] = {}
        missing: dict[str, str] = {}
        for record_id in each.records:
            path = record_path(each, record_id, results_root)
            record = read_record(path, record_id, each.scale, TrainingRecord)
            if isinstance(value := look_up(record, METRIC), Remark):
                missing.setdefault(model_of(record_id), value.text)
            elif not isinstance(record, Remark):
                trained.setdefault(model_of(record_id), []).append(record)
        yield Step(each.scale, max((_passes(some[0]) for some in trained.values()), default=0), trained, missing)


def _passes(record: TrainingRecord) -> int:
    """How many images a training saw, each as often as it saw it."""
    return (record.run.recipe.epochs or 0) * (record.data.train_examples or 0)


def _looks(spec: FigureSpec) -> dict[str, tuple[str, str]]:
    """Colour and mark of each line; the first, which the others are compared with, has our colour."""
    colours = [style.OURS, *(colour for colour in style.COLOURS if colour != style.OURS)]
    marks = ["D", *(mark for mark in style.MARKS if mark != "D")]
    return {line: (colours[n % len(colours)], marks[n % len(marks)]) for n, line in enumerate(spec.labels)}


def _frame(steps: list[Step], lines: list[str], labels: Mapping[str, str]) -> pd.DataFrame:
    """A row for each training: label, passes, top1."""
    import pandas as pd

    rows = [
        (labels[line], step.passes, value)
        for line in lines
        for step in steps
        if line in step.trained
        for value in step.accuracies(line)
    ]
    return pd.DataFrame(rows, columns=["label", "passes", "top1"])


def _accuracies(ax: Axes, spec: FigureSpec, steps: list[Step], lines: list[str]) -> None:
    import seaborn  # brings pandas: only where something is drawn

    looks = _looks(spec)
    seaborn.lineplot(
        _frame(steps, lines, spec.labels),
        x="passes",
        y="top1",
        hue="label",
        style="label",
        palette={spec.labels[line]: looks[line][0] for line in lines},
        markers={spec.labels[line]: looks[line][1] for line in lines},
        dashes=False,
        errorbar="sd",
        err_style="bars",
        err_kws={"elinewidth": 0.7, "capsize": 1.5},
        markersize=4,
        markeredgecolor="auto",
        legend="full",
        ax=ax,
    )
    if (legend := ax.get_legend()) is not None:  # below both panels instead
        legend.remove()
    ax.set(title="(a) Accuracy", ylabel="CIFAR-100 top-1 (%)")


def _differences(ax: Axes, spec: FigureSpec, steps: list[Step], lines: list[str], first: str) -> None:
    looks = _looks(spec)
    for n, line in enumerate(lines):
        colour, mark = looks[line]
        for step in (step for step in steps if line in step.trained and first in step.trained):
            gap = step.mean(line) - step.mean(first)
            found = step.difference(line, first)
            ax.errorbar(
                step.passes * APART ** (n - (len(lines) - 1) / 2),
                gap,
                yerr=None if found is None else [[gap - found.low], [found.high - gap]],
                color=colour,
                marker=mark,
                markersize=4,
                markerfacecolor="white" if found is None else colour,
                elinewidth=0.7,
                capsize=1.5,
            )
    ax.axhline(0, color=style.FAINT, linewidth=0.6, linestyle=":")
    ax.set(title=f"(b) Difference to {spec.labels[first]}", ylabel="points (95% interval)")


def _budgets(ax: Axes, steps: list[Step]) -> None:
    """A tick at each budget that was trained."""
    passes = sorted({step.passes for step in steps if step.trained})
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(passes))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlim(passes[0] / 1.4, passes[-1] * 1.4)
    ax.set_xlabel("image passes")
    ax.grid(color=style.EMPTY, linewidth=0.4, axis="y")
    ax.set_axisbelow(True)


def _rows(spec: FigureSpec, steps: list[Step]) -> list[list[str]]:
    head = ["scale", "passes", "model", "variant", "label", "seeds", "top1", "difference", "low", "high", "reason"]
    rows, first = [head], next(iter(spec.labels), "")
    for step in steps:
        for line, label in spec.labels.items():
            about = [step.scale, str(step.passes or ""), *line.split("/"), label]
            if line not in step.trained:
                if reason := step.missing.get(line):
                    rows.append([*about, "0", "", "", "", "", reason])
                continue
            values = step.accuracies(line)
            gap = ["", "", ""]
            if line != first and first in step.trained:
                found = step.difference(line, first)
                gap[0] = f"{step.mean(line) - step.mean(first):.6g}"
                gap[1:] = ["", ""] if found is None else [f"{found.low:.6g}", f"{found.high:.6g}"]
            rows.append([*about, str(len(values)), f"{step.mean(line):.6g}", *gap, ""])
    return rows


def _alt(spec: FigureSpec, steps: list[Step], lines: list[str]) -> str:
    """What the figure shows, in words, from the numbers in it."""
    sentences = ["Two plots against the number of image passes: top-1 accuracy, and the difference to the first line."]
    for step in (step for step in steps if step.trained):
        each = [f"{spec.labels[line]} {step.mean(line):.2f}%" for line in lines if line in step.trained]
        sentences.append(f"{step.passes:,} passes (scale {step.scale}): {', '.join(each)}.")
    absent = [f"{step.scale}: {len(step.missing)} models" for step in steps if step.missing]
    if absent:
        sentences.append(f"Not every seed was run: {', '.join(absent)}.")
    return f"{' '.join(sentences)} Scale {spec.scale}: {spec.about}."
