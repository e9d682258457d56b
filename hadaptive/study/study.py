"""The study: all that params.yaml asks for, from trainings to tables. Imports no torch."""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

from hadaptive.errors import UserError, nearest
from hadaptive.paper import files
from hadaptive.paper.claims.statements import CLAIM_TABLES
from hadaptive.paper.spec import (
    BundleSpec,
    ClaimsSpec,
    FigureSpec,
    MetricsSpec,
    TableSpec,
    metrics_paths,
    record_ids_needed,
    records_needed,
)
from hadaptive.records import PUBLISHED, PUBLISHED_FILES
from hadaptive.study.captions import about
from hadaptive.study.experiments import Experiments
from hadaptive.study.figures import figures
from hadaptive.study.runs import manifests_of
from hadaptive.study.tables import tables
from hadaptive.tasks import SEARCH, TASKS

MADE = {
    *files.ENDINGS,
    *files.FIGURE_ENDINGS,
    "json",
    "pt",
    "onnx",
    "safetensors",
}  # how names of files end that rules make
Spec = TypeVar("Spec", TableSpec, FigureSpec, ClaimsSpec)


class Study(Experiments):
    """What is run and shown at the chosen scale of `params`. Each part is derived once, when it is first asked for."""

    @cached_property
    def tables(self) -> dict[str, TableSpec]:
        """Every table, by name: which rows, from which records, or why there are none."""
        return {name: self._with_reference(spec) for name, spec in tables(self).items()}

    @cached_property
    def figures(self) -> dict[str, FigureSpec]:
        """Every figure, by name."""
        return {name: self._with_reference(spec) for name, spec in figures(self).items()}

    @cached_property
    def claims(self) -> ClaimsSpec:
        """What the paper's claims are checked on."""
        claims = ClaimsSpec(
            scale=self.scale,
            demonstration=self.stand_in,
            tables={name: self.tables[name] for name in CLAIM_TABLES if name in self.tables},
            variance="variance",
            explained=tuple(measure.id for measure in self.measures_of("explain")),
            expansions="expansions",
            sweep="kernels/figure7",
        )
        return self._with_reference(claims)

    @cached_property
    def bundle(self) -> BundleSpec:
        """Every table, figure and claim together, for the page that shows them."""
        return BundleSpec(
            scale=self.scale,
            demonstration=self.stand_in,
            about=about(self, tuple(TASKS), latency=True),
            tables=self.tables,
            figures=self.figures,
            claims=self.claims,
        )

    @cached_property
    def metrics(self) -> MetricsSpec:
        """What is written as metrics: every cell of every table."""
        return MetricsSpec(scale=self.scale, tables=self.tables)

    @property
    def metric_files(self) -> list[str]:
        """The files of `metrics`, one for each row of a table."""
        return [path.as_posix() for paths in metrics_paths(self.metrics).values() for path in paths.values()]

    @cached_property
    def records(self) -> list[str]:
        """Every record that a table, a figure or the claims read."""
        return sorted({path.as_posix() for path in records_needed(self.bundle)})

    @cached_property
    def manifests(self) -> list[str]:
        """The manifest of every prepared data set on which a Run is trained; none where nothing is trained."""
        if self.params.takes == "only":
            return []
        return sorted({path for run in self.runs.values() for path in manifests_of(run, self.params.data)})

    @property
    def published(self) -> list[str]:
        """The files of every trained model for the Hugging Face Hub, made on request; a search trains no one model."""
        trained = [run for run in self.runs.values() if TASKS[run.task] is not SEARCH]
        return [f"{run.folder}/{PUBLISHED}/{name}" for run in trained for name in PUBLISHED_FILES]

    @property
    def bundle_files(self) -> list[str]:
        """Every file of paper_tables/ that a whole run makes, but for its own description."""
        return [path.as_posix() for path in files.bundle_files(self.tables, self.figures)]

    def check_target(self, path: str) -> None:
        """UserError, with the nearest right one, for a file under paper_tables/ or results/ that no rule makes."""
        folder, suffix = path.partition("/")[0], path.rpartition(".")[2]
        if suffix not in MADE:  # not ours to judge: `--report paper_tables/report.html`
            return
        known = {"paper_tables": self._rendered, "results": self._measured}.get(folder)
        if known is not None and path not in known():
            raise UserError(f"no rule makes {path} at scale {self.scale}.{nearest(path, known())}")

    def _rendered(self) -> list[str]:
        return [*self.bundle_files, *((files.FOLDER / name).as_posix() for name in (files.CRATE, files.PDF))]

    def _measured(self) -> list[str]:
        records = [f"{run.folder}/record.json" for run in self.executed]
        checkpoints = [f"{run.folder}/{name}.pt" for run in self.runs.values() for name in ("last", "best")]
        exported = [
            f"{measure.folder}/{name}.onnx" for measure in self.measures_of("latency") for name in ("model", "plain")
        ]
        return [
            *records,
            *checkpoints,
            *exported,
            *self.published,
            f"results/{self.scale}/curves.csv",
            *self.metric_files,
        ]

    def _with_reference(self, spec: Spec) -> Spec:
        """The spec, told which of its records are reference records, and which are not run."""
        needed = record_ids_needed(spec)
        parts: dict[str, tuple[str, ...]] = {
            "reference": tuple(each for each in needed if each in self.reference),
            "not_run": tuple(each for each in needed if each in self.not_run),
        }
        change: dict[str, object] = {**parts}
        if any(parts.values()) and not isinstance(spec, ClaimsSpec):
            measured = [each for each in parts["reference"] if each not in self.without_device]
            change["about"] = f"{spec.about}; {_reference_words(len(measured), len(needed), bool(parts['not_run']))}"
        if isinstance(spec, FigureSpec) and spec.table is not None:  # it is drawn from what that table reads
            change["table"] = spec.table.model_copy(update=parts)
        return spec.model_copy(update=change)


def _reference_words(count: int, needed: int, some_not_run: bool) -> str:
    """How many of the records are reference records, in words."""
    if count == needed:
        return "reference records" if needed > 1 else "reference record"
    return f"{count} of {needed} records are reference records{', the rest was not run' * some_not_run}"
