"""What `hadaptive settle` would run: the Runs that unsettled claims wait for, in order, as many as a time allows.

Imports no torch.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hadaptive.devices import gpus
from hadaptive.paper.claims.findings import CONTRADICTED, HOLDS
from hadaptive.paper.claims.statements import Claim, Judged
from hadaptive.plan import Past, elapsed, seconds_of
from hadaptive.run import Measure, Run
from hadaptive.study.measures import inputs
from hadaptive.study.settling import awaited, in_order, measured, on_record
from hadaptive.study.study import Study


@dataclass(frozen=True)
class Intended:
    """What would be run: Runs in order, the seconds of those that are known, and how many fit into the time.

    `waits`: by the number of each claim that is not settled, the ids of the records that it rests on. `measures` of
    trained models are made when their checkpoints are there.
    """

    runs: list[Run]
    seconds: Mapping[str, float]
    fit: int
    waits: Mapping[str, set[str]]
    measures: Sequence[Measure]

    @property
    def chosen(self) -> list[Run]:
        return self.runs[: self.fit]

    @property
    def judged(self) -> list[str]:
        """Numbers of the claims that then have at least one seed of each training that they wait for."""
        left = {run.id for run in self.runs[self.fit :]}
        chosen = {run.id for run in self.chosen}

        def all_there(ids: set[str]) -> bool:
            there = {_training(each) for each in ids - left}
            return all(_training(each) in there for each in ids & left)

        return [number for number, ids in self.waits.items() if ids & chosen and all_there(ids)]


def _training(record_id: str) -> str:
    """The id of a training without its seed."""
    return record_id.rpartition("/")[0]


def intend(study: Study, judged: Sequence[Judged], past: Past, hours: float, cores: int) -> Intended:
    """The missing Runs that claims wait for which are not settled, in order, and those that fit into the time."""
    claims = unsettled(judged)
    waits = awaited(study, claims)
    wanted = {each for ids in waits.values() for each in ids}
    measures = [each for claim in claims for each in measured(study, claim) if not on_record(study, each)]
    lacking = {file for each in measures for file in inputs(each) if not Path(file).exists()}  # records have no weights
    missing = [
        run
        for run in study.runs.values()
        if run.id in wanted and (not on_record(study, run) or f"{run.folder.as_posix()}/last.pt" in lacking)
    ]
    device = "cuda" if gpus() else "cpu"
    seconds = seconds_of(missing, past, device)
    runs = in_order(study, missing, seconds, claims)
    usual = statistics.median(seconds.values()) if seconds else 0.0
    at_once, most, fit = (1 if device == "cuda" else cores), 3600 * hours, min(1, len(runs))
    # the first is begun whether or not it fits, and resumed by the next call
    while fit < len(runs) and elapsed([seconds.get(run.id, usual) for run in runs[: fit + 1]], at_once) <= most:
        fit += 1
    return Intended(runs, seconds, fit, waits, measures)


def unsettled(judged: Sequence[Judged]) -> list[Claim]:
    """The claims that more Runs may settle: those that neither hold nor are contradicted."""
    return [each.claim for each in judged if each.verdict not in (HOLDS, CONTRADICTED)]
