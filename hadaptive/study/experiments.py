"""Everything that is executed and leaves a record: trainings and measures. Imports no torch."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from hadaptive.errors import UserError, nearest
from hadaptive.paper.spec import REFERENCE
from hadaptive.record import Record, find
from hadaptive.records import RECORD
from hadaptive.run import Executed, Measure, Run
from hadaptive.study.measures import MEASURES, inputs, measures
from hadaptive.study.reference import usable
from hadaptive.study.runs import trainings
from hadaptive.study.selection import Selection

NO_CUDA = "no CUDA device"  # status of a record


class Experiments(Selection):
    """The trainings and measures of a selection, by id, and which of them have a reference record."""

    @cached_property
    def runs(self) -> dict[str, Run]:
        """Every training."""
        return {run.id: run for run in trainings(self)}

    @cached_property
    def measures(self) -> dict[str, Measure]:
        """Every measure."""
        return {measure.id: measure for measure in measures(self, self.runs)}

    @property
    def executed(self) -> list[Executed]:
        """Every training and every measure."""
        return [*self.runs.values(), *self.measures.values()]

    @cached_property
    def reference(self) -> frozenset[str]:
        """Ids of those whose reference record is used: what had no device to be measured on is run, if anything is."""
        return self._usable if self.params.takes == "only" else self._usable - self.without_device

    @cached_property
    def without_device(self) -> frozenset[str]:
        """Ids of those whose reference record says that there was no device to measure on."""
        records = {each: find(Path("results", REFERENCE, self.scale, each, RECORD)) for each in self._usable}
        return frozenset(
            each for each, record in records.items() if isinstance(record, Record) and record.status == NO_CUDA
        )

    @cached_property
    def _usable(self) -> frozenset[str]:
        return usable(self.params, self.executed)

    @cached_property
    def not_run(self) -> frozenset[str]:
        """Ids of those without a reference record where nothing is run but what is counted in seconds, without data."""
        if self.params.takes != "only":
            return frozenset()
        counted = {each.id for each in self.measures.values() if MEASURES[each.kind].counted and not inputs(each)}
        return frozenset(each.id for each in self.executed) - self.reference - counted

    def find(self, run_id: str) -> Run:
        """Return the Run of that id. UserError with the nearest id for an unknown one."""
        if run_id not in self.runs:
            raise UserError(f"no Run {run_id!r} at scale {self.scale}.{nearest(run_id, list(self.runs))}")
        return self.runs[run_id]

    def measures_of(self, kind: str) -> list[Measure]:
        """Return the measures of a kind."""
        return [measure for measure in self.measures.values() if measure.kind == kind]
