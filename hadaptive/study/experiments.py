"""Everything that is executed and leaves a record: trainings and measures. Imports no torch."""

from __future__ import annotations

from functools import cached_property

from hadaptive.errors import UserError, nearest
from hadaptive.run import Executed, Measure, Run
from hadaptive.study.measures import measures
from hadaptive.study.reference import usable
from hadaptive.study.runs import trainings
from hadaptive.study.selection import Selection


class Experiments(Selection):
    """The trainings and measures of a selection, by id, and which of their records came with the project."""

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
        """Ids of those whose record came with the project and is used."""
        return usable(self.params, self.executed)

    def find(self, run_id: str) -> Run:
        """Return the Run of that id. UserError with the nearest id for an unknown one."""
        if run_id not in self.runs:
            raise UserError(f"no Run {run_id!r} at scale {self.scale}.{nearest(run_id, list(self.runs))}")
        return self.runs[run_id]

    def measures_of(self, kind: str) -> list[Measure]:
        """Return the measures of a kind."""
        return [measure for measure in self.measures.values() if measure.kind == kind]
