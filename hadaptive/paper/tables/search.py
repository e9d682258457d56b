"""Tables 3, 10, 11 and 12, the confidences of the architecture search, and the architectures it finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hadaptive.paper.cells import Cell, Remark
from hadaptive.paper.spec import TableSpec, record_ids
from hadaptive.paper.tables import notes
from hadaptive.paper.tables.frame import BLANK, Column, Frame, Note, Records, beside
from hadaptive.record.trainings import SearchRecord
from hadaptive.search.genotype import agreement, by_chance, chosen, mean
from hadaptive.space import Space

SOURCE = "search"
DIGITS = {"table3": 2}  # the others are printed as integers
OPERATORS = {"ghost": "Ghost", "ach": "ACH"}
PUBLISHED = ("table3", "table10", "table11", "table12")


def frames(spec: TableSpec, results_root: Path) -> list[Frame]:
    """A table of confidences, a row a layer and a column a candidate, and its compare version.

    Cells are the confidences after the last epoch, averaged over seeds; `<0.01%`, bold, underlines and hyphens as in
    the paper.
    """
    records, digits = Records(spec, results_root), DIGITS.get(spec.table, 0)
    layers = Column("channels", "Channels", role="words")
    columns = [
        Column(
            head.key,
            head.title,
            SOURCE,
            f"confidence.{{variant}}.{head.key}",
            over=head.over,
            digits=digits,
            best_of_row=True,
            percent=True,
            spread=True,
        )
        for head in spec.heads
    ]
    frame = Frame(
        stem=spec.table,
        spec=spec,
        title=f"Architecture search, confidence of each candidate{_where(spec)}.",
        columns=(layers, *columns),
        cells=records.cells(columns),
        notes=tuple(_notes(records)),
        rows_are="Layer",
    )
    # narrower, so that it fits the page: without deviations, and with one title over three columns
    plain = [replace(c, title=f"{c.over.partition(' ')[0]} {c.title}".strip(), over="", spread=False) for c in columns]
    _, *compared = beside(replace(frame, columns=(layers, *plain)), split=False)
    return [
        frame,
        *(replace(each, columns=tuple(replace(c, best_of_row=False) for c in each.columns)) for each in compared),
    ]


def _where(spec: TableSpec) -> str:
    return f" (the paper's Table {spec.table.removeprefix('table')})" if spec.table in PUBLISHED else f" ({spec.table})"


def _finished(records: Records, ids: list[str]) -> dict[str, SearchRecord]:
    """The searches that came to an end, by seed."""
    read = {each.rpartition("/")[2].removeprefix("seed"): records.read_as(SearchRecord, each) for each in ids}
    return {seed: record for seed, record in read.items() if not isinstance(record, Remark)}


def _notes(records: Records) -> Iterator[Note]:
    spec = records.spec
    yield Note(SOURCE, "Underlined: layers that halve the size; hyphens: nothing to choose.")
    found = _finished(records, record_ids(spec, spec.rows[0], SOURCE)) if _open(spec) else {}
    if not found:
        return
    seeds = f"mean and sample standard deviation over {len(found)} seeds" if len(found) > 1 else "one seed"
    yield Note(SOURCE, f"Confidence: softmax of the architecture parameters after the last epoch, {seeds}.")
    yield Note(SOURCE, stability(found))
    reached = records.table.query("metric == 'top1_last'")["value"].agg(["count", "mean", "std"])
    if reached["count"]:
        spread = f" ± {reached['std']:.2f}" if reached["count"] > 1 else ""
        where = "the stand-in data" if spec.source(SOURCE).stand_in else "CIFAR-100"
        yield Note(
            SOURCE,
            f"Top-1 of the preferred net, as it comes out of the search, on {where}: {reached['mean']:.2f}{spread}%.",
        )


def _open(spec: TableSpec) -> bool:
    return spec.why_not(spec.rows[0], SOURCE) is None


def stability(found: dict[str, SearchRecord]) -> str:
    """How far seeds agree, in a sentence, and which architecture they find together."""
    each = list(found.values())
    space = each[0].run.space
    names = chosen(space, mean([record.confidence for record in each]))
    choice = ", ".join(f"layer {n} {candidate_name(space, names[n])}" for n in space.searched())
    if len(each) < 2:
        return f"One seed: how stable the choice is cannot be determined. Chosen: {choice}."
    choices = [record.chosen for record in each]
    same = sum(len({choice[n] for choice in choices}) == 1 for n in space.searched())
    share, chance = agreement(choices, space.searched()), by_chance(space)
    return (
        f"Seeds {', '.join(found)}: all choose the same in {same} of {len(space.searched())} layers; two of them agree "
        f"in {share:.0f}% of layers (by chance {chance:.0f}%). Chosen by their mean: {choice}."
    )


def _found_columns() -> tuple[Column, ...]:
    return (
        Column("params_m", "Params", "complexity", "parameters", 1e-6, "M"),
        Column("flops_m", "FLOPs", "complexity", "macs", 1e-6, "M", digits=0),
        Column("top1", "Top-1", "cifar100", "top1_last", unit="%", best=True, spread=True),
        Column("top1_best_on_test", "", "cifar100", "top1_best_on_test", shown=False),
        Column("search_top1", "In the search", SOURCE, "top1_last", unit="%", spread=True),
        Column("agreement", "Seeds agree", SOURCE, unit="%", digits=0),
    )


def candidate_name(space: Space, name: str) -> str:
    """A candidate as the table's head names it, with its operator: "ACH 16-3"; without a title by its own name."""
    word, title = OPERATORS.get(space.candidates[name].op, ""), space.candidates[name].title
    return name if not title else word if title == word else f"{word} {title}".strip()


def found_frames(spec: TableSpec, results_root: Path) -> list[Frame]:
    """The architectures that the searches find, trained like any other model, beside the published Hadaptive-Net-S."""
    records, columns = Records(spec, results_root), _found_columns()
    cells = records.cells([column for column in columns if column.key != "agreement"])
    cells["agreement"] = [_agreement(records, n) for n in range(len(spec.rows))]
    sentences = [
        Note("complexity", notes.MACS, in_caption=True),
        *notes.counted(records, "training form"),
        *notes.accuracy(records, "cifar100", cells["top1"]),
        Note(
            SOURCE,
            "In the search: top-1 of the preferred path with the search's own weights. Seeds agree: how often "
            "two seeds choose the same candidate.",
        ),
    ]
    frame = Frame(
        stem=spec.table,
        spec=spec,
        title="Architectures that the search finds, beside the published one.",
        columns=columns,
        cells=cells,
        notes=tuple(sentences),
        rows_are="Model",
    )
    return beside(frame, split=False)


def _agreement(records: Records, n: int) -> Cell:
    row = records.spec.rows[n]
    if row.has is not None and "agreement" not in row.has:
        return BLANK
    if (why := records.spec.why_not(row, SOURCE)) is not None:
        return Cell.empty(why)
    found = list(_finished(records, record_ids(records.spec, row, SOURCE)).values())
    if len(found) < 2:
        return Cell.empty("one seed" if found else "not run")
    agrees = agreement([record.chosen for record in found], found[0].run.space.searched())
    return Cell(agrees, n=len(found), edited=any(record.edited for record in found))
