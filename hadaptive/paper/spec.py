"""What a table or figure needs to know, as one JSON-able model, and which records it reads.

``hadaptive.study`` derives the spec from ``params.yaml``; the workflow hands it, as JSON, to the
command that renders. Everything else (columns, wording, axes, colours) is fixed: ``tables``, ``figures``.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hadaptive.paper.published import printed

Part = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]  # one folder name of a record's path

REFERENCE = "reference"  # folder of the records that are bundled with the project
RecordId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*(/[A-Za-z0-9][A-Za-z0-9_.+-]*)*$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Row(_Model):
    """One line of a table: a model in one variant. `label` is the paper's name for it and finds the published row."""

    model: Part
    variant: Part
    label: Annotated[str, Field(min_length=1)]
    published: str = ""  # the row's name in the published table, where it is not the label
    cite: str = ""  # plain text, "Howard et al., 2019" or "ours"
    ours: bool = False
    group: int = 0  # a rule is drawn where it changes; the best of each group is bold
    words: dict[str, str] = Field(default_factory=dict)  # what columns of words hold: ticks, formulas
    absent: str | None = None  # why it is not run at all, e.g. "not in params.yaml"
    underlined: bool = False  # its words are underlined
    has: tuple[str, ...] | None = None  # columns in which it has something at all; None: in all


class Head(_Model):
    """A column that depends on params.yaml: its key, and what stands above it."""

    key: Part
    title: str
    over: str = ""


class Source(_Model):
    """Where some columns come from: the folder of that name under results/<scale>/ ("complexity", "cifar100", ...)."""

    seeds: tuple[int, ...] | None = None  # None: one record a model; a training has one record a seed
    seeds_of: dict[Part, tuple[int, ...]] = Field(default_factory=dict)  # models with other seeds than those
    record: RecordId | None = None  # id of the record (of each seed's) that holds all rows, by their variants
    flat: bool = False  # ids have no model: search/table3/seed0
    folder: Part | None = None  # None: the source's own name
    variants: dict[Part, Part] = Field(default_factory=dict)  # a row's variant -> the one this source reads instead
    absent: str | None = None  # why there is nothing to read, e.g. "ImageNet-1k not present"
    selected: tuple[Part, ...] | None = None  # models whose records are to be read; None: all
    stand_in: str | None = None  # the data actually used, where it is not what the column's title says
    other_models: str | None = None  # how its models differ from the paper's, so that a difference says nothing

    @model_validator(mode="after")
    def _seeds_make_sense(self) -> Self:
        if self.seeds is not None and (not self.seeds or len(set(self.seeds)) < len(self.seeds)):
            raise ValueError(f"seeds must be one or more different integers, not {list(self.seeds)}")
        return self


class TableSpec(_Model):
    """A table at a scale: its rows, in the paper's order, and where its columns come from."""

    table: Part
    scale: Part
    demonstration: bool = False
    about: str  # one line on the scale: data set, image size, epochs, training examples
    reference: tuple[RecordId, ...] = ()  # those of its records that are reference records
    not_run: tuple[RecordId, ...] = ()  # those that are neither run nor read (`reference: only`)
    published: Part | None = None  # the published table that it stands beside, where that has another name
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]
    heads: tuple[Head, ...] = ()  # columns that are not fixed
    sources: dict[Part, Source]

    @model_validator(mode="after")
    def _rows_make_sense(self) -> Self:
        runs = [f"{row.model}/{row.variant}" for row in self.rows]
        for what, names in (("label", [row.label for row in self.rows]), ("run", runs)):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{self.table}: the same {what} in two rows: {', '.join(twice)}")
        groups = [row.group for row in self.rows]
        if groups != sorted(groups):
            raise ValueError(f"{self.table}: rows of a group must be together and groups ascend, but they are {groups}")
        return self

    @property
    def printed_as(self) -> str | None:
        """The published table that it stands beside; None where the paper has none."""
        name = self.published or self.table
        return name if printed(name) else None

    @property
    def compared(self) -> bool:
        """Whether it has a version beside the published values."""
        return self.printed_as is not None

    @property
    def stand_in(self) -> bool:
        """Whether other data stand in for the paper's anywhere."""
        return any(source.stand_in for source in self.sources.values())

    def source(self, name: str) -> Source:
        """The source of that name; ValueError if the spec has none."""
        if name not in self.sources:
            raise ValueError(f"{self.table} needs the source {name!r}; its spec has only {sorted(self.sources)}")
        return self.sources[name]

    def why_not(self, row: Row, source: str) -> str | None:
        """Why a row's records of a source are not to be read: no data, or the row is not selected. None: they are."""
        found = self.source(source)
        if row.absent is not None:
            return row.absent
        if found.absent is not None:
            return found.absent
        chosen = found.selected is None or row.model in found.selected
        return None if chosen else "not selected in this run"


class OtherScale(_Model):
    """Trainings of another scale that a figure shows beside those of its own: reference records alone."""

    scale: Part
    records: tuple[RecordId, ...]
    reference: tuple[RecordId, ...] = ()

    @property
    def not_run(self) -> tuple[RecordId, ...]:
        """Those of its records that there are not."""
        return tuple(each for each in self.records if each not in self.reference)


class FigureSpec(_Model):
    """A figure at a scale, drawn from records, from what a table shows or, a diagram, from nothing measured."""

    figure: Part
    scale: Part
    demonstration: bool = False
    about: str  # one line on what was measured
    reference: tuple[RecordId, ...] = ()
    not_run: tuple[RecordId, ...] = ()
    records: tuple[RecordId, ...] = ()
    table: TableSpec | None = None
    image: str = ""  # the photo that it is about, shown where nothing was measured
    others: tuple[OtherScale, ...] = ()  # other scales that are shown beside its own
    labels: dict[str, str] = Field(default_factory=dict)  # "model/variant" -> what the figure calls it
    subject: tuple[float, float, float, float] | None = None  # a box on it, as parts of width and height


class ClaimsSpec(_Model):
    """What the paper's claims are checked on: tables, and the records on variances (A.2), on ways of expanding channels
    and of the sweep of both GPU algorithms (A.5), and of Grad-CAM (A.6).
    """

    scale: Part
    demonstration: bool = False
    tables: dict[Part, TableSpec]
    variance: RecordId
    expansions: RecordId
    sweep: RecordId
    explained: tuple[RecordId, ...] = ()
    reference: tuple[RecordId, ...] = ()
    not_run: tuple[RecordId, ...] = ()


class MetricsSpec(_Model):
    """What is written as metrics and curves: the cells of these tables, and the trainings that they read."""

    scale: Part
    tables: dict[Part, TableSpec]


class BundleSpec(_Model):
    """What the bundle holds: every table, every figure and the claims, all of one scale."""

    scale: Part
    demonstration: bool = False
    about: str  # one line on the scale
    tables: dict[Part, TableSpec]
    figures: dict[Part, FigureSpec]
    claims: ClaimsSpec

    @model_validator(mode="after")
    def _of_one_scale(self) -> Self:
        parts: dict[str, TableSpec | FigureSpec | ClaimsSpec]
        parts = {**self.tables, **self.figures, "claims": self.claims}
        others = sorted(f"{name} ({part.scale})" for name, part in parts.items() if part.scale != self.scale)
        if others:
            raise ValueError(f"a bundle is of one scale, {self.scale}; not of it: {', '.join(others)}")
        return self

    @property
    def parts(self) -> tuple[TableSpec | FigureSpec | ClaimsSpec, ...]:
        """All that reads records."""
        return (*self.tables.values(), *self.figures.values(), self.claims)

    @cached_property
    def reference(self) -> frozenset[str]:
        """Those of its records that are reference records."""
        return frozenset(each for part in self.parts for each in part.reference)

    @cached_property
    def not_run(self) -> frozenset[str]:
        """Those of its records that are neither run nor read."""
        return frozenset(each for part in self.parts for each in part.not_run)


AnySpec = TableSpec | FigureSpec | OtherScale | ClaimsSpec | BundleSpec


def record_ids(spec: TableSpec, row: Row, source: str) -> list[str]:
    """The ids of the records behind a row's cells of one source, one a seed for trainings."""
    found = spec.source(source)
    variant = found.variants.get(row.variant, row.variant)
    stem = found.record or "/".join((found.folder or source, *([] if found.flat else [row.model]), variant))
    if found.seeds is None:
        return [stem]
    return [f"{stem}/seed{seed}" for seed in found.seeds_of.get(row.model, found.seeds)]


def record_path(spec: AnySpec, record_id: str, results_root: Path) -> Path:
    """results_root/<scale>/<id>/record.json; below results_root/reference/ for a reference record, or one not run."""
    root = results_root / REFERENCE if record_id in spec.reference or record_id in spec.not_run else results_root
    return root / spec.scale / record_id / "record.json"


def record_ids_needed(spec: AnySpec) -> list[str]:
    """The ids of all records the table, figure or claims read, in their order, each once."""
    if isinstance(spec, TableSpec):
        asked = [(source, row) for source in spec.sources for row in spec.rows if spec.why_not(row, source) is None]
        found = [each for source, row in asked for each in record_ids(spec, row, source)]
    elif isinstance(spec, FigureSpec):
        found = [*(record_ids_needed(spec.table) if spec.table else []), *spec.records]
    elif isinstance(spec, OtherScale):
        found = [*spec.records]
    elif isinstance(spec, BundleSpec):
        found = [each for part in spec.parts for each in record_ids_needed(part)]
    else:
        found = [
            *(each for table in spec.tables.values() for each in record_ids_needed(table)),
            spec.variance,
            spec.expansions,
            spec.sweep,
            *spec.explained,
        ]
    return list(dict.fromkeys(found))


def records_needed(spec: AnySpec, results_root: Path = Path("results")) -> list[Path]:
    """The files of those records: the inputs of the rule that renders it."""
    own = [record_path(spec, each, results_root) for each in record_ids_needed(spec) if each not in spec.not_run]
    figures = [*spec.figures.values()] if isinstance(spec, BundleSpec) else [spec]
    others = [other for each in figures if isinstance(each, FigureSpec) for other in each.others]
    return [*own, *(path for other in others for path in records_needed(other, results_root))]


def metrics_paths(spec: MetricsSpec, results_root: Path = Path("results")) -> dict[str, dict[tuple[str, str], Path]]:
    """results_root/<scale>/metrics/<table>/<model>-<variant>.json of every row that is run, by table and row."""
    folder = results_root / spec.scale / "metrics"
    return {
        name: {
            (row.model, row.variant): folder / name / f"{row.model}-{row.variant}.json"
            for row in table.rows
            if any(table.why_not(row, source) is None for source in table.sources)
        }
        for name, table in spec.tables.items()
    }
