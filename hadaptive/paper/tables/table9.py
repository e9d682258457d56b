"""Table 9: the layers of Hadaptive-Net-S, from the record of how it is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from hadaptive.paper.cells import BY_HAND, Cell, Remark
from hadaptive.paper.published import errata, published
from hadaptive.paper.spec import Row, TableSpec
from hadaptive.paper.tables.frame import BLANK, Column, Frame, Note, Records
from hadaptive.record.measures import AchExpansion, BottleneckLayer, ConvolutionLayer, HeadLayer, Layer, StructureRecord

SOURCE = "structure"
EXPANSIONS = {"ACH": "Hada", "Ghost": "Ghost"}  # the paper's names
_WORDS = (
    Column("module", "Module", SOURCE, role="words", left=True),
    Column("arguments", "Arguments", SOURCE, role="words", left=True),
)
_COUNTS = (
    Column("width", "Expanded to", SOURCE, "width", digits=0),
    Column("size", "Output", SOURCE, "size", unit="px", digits=0),
    Column("parameters_k", "Params", SOURCE, "parameters", 1e-3, "K", digits=1),
    Column("macs_m", "MACs", SOURCE, "macs", 1e-6, "M"),
)
NOTATION = (
    "CNA: convolution, norm, activation [in, out, kernel, stride]; BN: batch norm; HS: hardswish; AB: adaptive "
    "bottleneck [in, out, expansion, times its channels or k of ACH (Hada), kernel, stride]; FN: fully connected "
    "[in, out, hidden, dropout]."
)


def frames(spec: TableSpec, results_root: Path) -> list[Frame]:
    """The layers in the paper's notation with their counts, and beside the paper's, each marked where both agree."""
    (net,) = spec.rows
    records = Records(spec, results_root)
    why, record = spec.why_not(net, SOURCE), records.read_as(StructureRecord, spec.source(SOURCE).record or "")
    found = Remark.of(why) if why is not None else record
    rows, cells = _unknown(net, found) if isinstance(found, Remark) else _layers(net, found)
    title = f"Layers of {net.label} (the paper's Table 9)."
    edited = isinstance(found, StructureRecord) and found.edited
    frame = Frame(
        stem="table9",
        spec=spec.model_copy(update={"rows": tuple(rows)}),
        title=title,
        columns=(*_WORDS, *_COUNTS),
        cells=cells,
        notes=(Note(SOURCE, NOTATION), *([Note(SOURCE, f"{BY_HAND.text}.")] if edited else [])),
        rows_are="Layer",
    )
    return [frame, _compare(frame)]


def _unknown(net: Row, why: Remark) -> tuple[list[Row], dict[str, list[Cell]]]:
    row = net.model_copy(update={"label": "all", "cite": ""})
    return [row], {column.key: [Cell(remark=why)] for column in _COUNTS}


def _layers(net: Row, record: StructureRecord) -> tuple[list[Row], dict[str, list[Cell]]]:
    layers = record.metrics.layers
    rows = [
        Row(
            model=net.model,
            variant=net.variant,
            label=str(layer.layer),
            words={"module": layer.module, "arguments": arguments(as_published(layer))},
        )
        for layer in layers
    ]
    cells = {
        column.key: [
            Cell(getattr(layer, column.metric) * column.factor, n=1, records=(record.id,), edited=record.edited)
            if hasattr(layer, column.metric)
            else BLANK  # a layer that expands nothing
            for layer in layers
        ]
        for column in _COUNTS
    }
    return rows, cells


def as_published(layer: Layer) -> dict[str, str]:
    """A layer of the record in the columns of published/table9.csv."""
    found = {"in": str(layer.in_), "out": str(layer.out), "module": layer.module}
    match layer:
        case HeadLayer():
            return {**found, "expand": f"hidden {layer.hidden}, dropout {layer.dropout:g}"}
        case ConvolutionLayer():
            own = {"norm": layer.norm, "act": layer.act or ""}
        case BottleneckLayer(expansion=expansion):
            amount = str(expansion.k) if isinstance(expansion, AchExpansion) else f"{expansion.times:.1f}"
            own = {"expand": f"{EXPANSIONS[expansion.kind]} {amount}"}
    return {**found, "kernel": str(layer.kernel), "stride": str(layer.stride), **own}


def arguments(words: Mapping[str, str]) -> str:
    """A layer's arguments as the paper writes them: [96, 96, 'Hada', 16, 5, 1]."""
    parts = [words["in"], words["out"]]
    if words["module"] == "FN":
        return f"[{', '.join([*parts, *(word.split()[1] for word in words['expand'].split(', '))])}]"
    if words["module"] == "AB":
        name, amount = words["expand"].split()
        parts += [f"'{name}'", amount]
    listed = f"[{', '.join([*parts, words['kernel'], words['stride']])}]"
    return listed if words["module"] == "AB" else f"{listed} {{{words['norm']}, {words['act'] or 'None'}}}"


def _compare(frame: Frame) -> Frame:
    """Module and arguments as the paper prints them, as built, and whether they agree; layers of either, in order."""
    paper = {label: {**row, "arguments": arguments(row)} for label, row in published("table9").items()}
    mine = {row.label: row for row in frame.spec.rows if row.words}
    remark = frame.cells["size"][0].remark
    why = remark.text if remark and not mine else "no"
    labels = dict.fromkeys([*paper, *mine])
    rows = [_beside(label, paper.get(label), mine.get(label), frame.spec.rows[0], why) for label in labels]
    columns = tuple(_columns())
    return replace(
        frame,
        stem="table9_compare",
        spec=frame.spec.model_copy(update={"rows": tuple(rows)}),
        title=f"{frame.title} Paper: as published; here: as built.",
        columns=columns,
        cells={},
        findings=tuple(erratum.line() for erratum in errata("table9")),
    )


def _columns() -> Iterator[Column]:
    for column in _WORDS:
        published_key = f"{column.key}_published"
        yield replace(column, key=published_key, title="paper", over=column.title, role="quoted")
        yield replace(column, title="here", over=column.title)
    yield Column("agrees", "Agrees", SOURCE, role="words")


def _beside(label: str, paper: Mapping[str, str] | None, mine: Row | None, like: Row, why: str) -> Row:
    """A line: both sides' words, and a tick where they are the same; else `why` not."""
    words = {column.key: mine.words[column.key] if mine else "" for column in _WORDS}
    printed = {column.key: paper[column.key] if paper else "" for column in _WORDS}
    quoted = {f"{key}_published": text for key, text in printed.items()}
    agrees = "✓" if words == printed else why
    return Row(model=like.model, variant=like.variant, label=label, words={**quoted, **words, "agrees": agrees})
