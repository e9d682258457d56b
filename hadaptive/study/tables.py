"""Every table: which rows, from which records, or why there are none. Imports no torch."""

from __future__ import annotations

from hadaptive.config import Model
from hadaptive.errors import UserError
from hadaptive.paper.spec import Row, Source, TableSpec
from hadaptive.paper.tables.grid import sources as sources_of
from hadaptive.paper.tables.layouts import LAYOUTS, Layout
from hadaptive.study.captions import IMAGE_TASKS, about, sources
from hadaptive.study.experiments import Experiments
from hadaptive.study.measures import TABLE4_NET
from hadaptive.study.search_tables import found_table, search_tables
from hadaptive.study.selection import Selection
from hadaptive.tasks import TASKS, TEXT

IMPLEMENTATIONS = {  # of ACH: the paper's three, as it names them, and ours
    "native": "Native",
    "direct_indexing": "Direct-Indexing",
    "parity_balanced": "Parity-Balanced",
    "fused": "Fused",
}


def tables(experiments: Experiments) -> dict[str, TableSpec]:
    """Return every table, by name."""
    own = (table4(experiments), table6(experiments), table7(experiments), table9(experiments))
    grids = (grid(experiments, name, layout) for name, layout in LAYOUTS.items())
    fixed = {table.table: table for table in (*own, *grids, found_table(experiments))}
    for name in set(fixed) & set(experiments.params.search):
        raise UserError(f"params.yaml: search.{name}: there is a table of that name already; call the space otherwise")
    return {**fixed, **search_tables(experiments)}


def table4(experiments: Experiments) -> TableSpec:
    """Hadaptive-Net-L with each implementation of ACH."""
    measure = experiments.measures["kernels/table4"]
    absent = None if TABLE4_NET in experiments.params.zoo else f"{TABLE4_NET} is not in the zoo"
    rows = [
        Row(
            model=TABLE4_NET,
            variant=name,
            label=label,
            published=name,
            cite="ours" if name == "fused" else "",
            ours=name == "fused",
        )
        for name, label in IMPLEMENTATIONS.items()
    ]
    return TableSpec(
        table="table4",
        scale=experiments.scale,
        demonstration=experiments.stand_in,
        about=f"batch 1, {measure.settings['image_size']} px, {measure.settings['runs']} runs",
        rows=tuple(rows),
        sources={"table4": Source(record=measure.id, absent=absent, selected=experiments.selected)},
    )


def table6(selection: Selection) -> TableSpec:
    """SSD on each backbone of params.yaml's `detection`."""
    return TableSpec(
        table="table6",
        scale=selection.scale,
        demonstration=selection.stand_in,
        about=about(selection, ("coco",)),
        rows=tuple(_row(model, entry) for model, entry in selection.params.detection.items()),
        sources=sources(selection, "detectors", "coco"),
    )


def table7(selection: Selection) -> TableSpec:
    """Return the models of the zoo that have a group."""
    zoo = sorted(selection.params.zoo.items(), key=lambda item: item[1].group or 0)
    return TableSpec(
        table="table7",
        scale=selection.scale,
        demonstration=selection.stand_in,
        about=about(selection, latency=True),
        rows=tuple(_row(model, entry, entry.group) for model, entry in zoo if entry.group is not None),
        sources=sources(selection, "complexity", "latency", *IMAGE_TASKS),
    )


def table9(experiments: Experiments) -> TableSpec:
    """Table 9. Its record says how many layers there are; it needs no data, so it is the same at each scale."""
    (measure,) = experiments.measures_of("structure")
    _, model, variant = measure.id.split("/")
    return TableSpec(
        table="table9",
        scale=experiments.scale,
        about=f"as built, {measure.settings['num_classes']} classes, {measure.settings['image_size']} px",
        rows=(Row(model=model, variant=variant, label="Hadaptive-Net-S", cite="ours", ours=True),),
        sources={"structure": Source(record=measure.id)},
    )


def grid(selection: Selection, name: str, layout: Layout) -> TableSpec:
    """Return a table of `layouts`: its rows with a reason where params.yaml lacks one."""
    known = {*selection.image_pairs, *selection.text_pairs}
    rows = [
        row
        if (row.model, row.variant) in known
        else row.model_copy(update={"absent": f"{row.model}/{row.variant} is not in params.yaml"})
        for row in layout.rows
    ]
    needed = sources_of(layout)
    text = tuple(name for name in needed if name in TASKS and TASKS[name] is TEXT)
    available = sources(selection, *(layout.others.get(source, source) for source in needed))
    return TableSpec(
        table=name,
        scale=selection.scale,
        demonstration=selection.stand_in,
        about=about(selection, text or IMAGE_TASKS, "latency" in needed, {row.model for row in rows}),
        published=layout.published or None,
        rows=tuple(rows),
        sources={source: _source(available, source, layout) for source in needed},
    )


def _source(sources: dict[str, Source], name: str, layout: Layout) -> Source:
    """Return a source of a layout; one of its `others` reads other variants from the folder of the source it names."""
    if name not in layout.others:
        return sources[name]
    folder = layout.others[name]
    return sources[folder].model_copy(update={"folder": folder, "variants": layout.variants})


def _row(model: str, entry: Model, group: int = 0) -> Row:
    ours = entry.cite == "ours"
    return Row(model=model, variant=entry.variant, label=entry.label, cite=entry.cite, ours=ours, group=group)
