"""Which Runs are missing, and which of them settle most claims for the time they take. Imports no torch.

A claim waits for a record where one of its comparisons, or a measure that it rests on, reads it. Each claim that is not
settled has one point to give. Divided by the time of all that it waits for, it goes to each of these Runs, so that what
soon completes a claim, and what several claims wait for, comes first. Of a model that has several seeds, the first seed
comes before the second of any.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hadaptive.identity import code_id
from hadaptive.paper.claims import gradcam_focus, product_variance, search_preference
from hadaptive.paper.claims.findings import Findings
from hadaptive.paper.claims.statements import CLAIMS, Claim
from hadaptive.paper.spec import record_ids, record_ids_needed
from hadaptive.paper.tables import TABLES
from hadaptive.record import Record, find
from hadaptive.run import Executed, Measure, Run
from hadaptive.study.measures import inputs, measure_code
from hadaptive.study.reference import same_settings
from hadaptive.study.runs import trainer_code
from hadaptive.study.study import Study

NO_GPU = "no CUDA device"


def on_record(study: Study, executed: Executed) -> bool:
    """Whether its record is there: with the project, or made with these settings and this code."""
    if executed.id in study.reference:
        return True
    record = find(executed.folder / "record.json")
    if not isinstance(record, Record) or not same_settings(executed, record) or without_gpu(record):
        return False
    return record.code in (None, code_of(executed))


def without_gpu(record: Record) -> bool:
    """Whether a record says that there was no GPU to measure on."""
    return NO_GPU in (record.status, record.at("metrics", "gpu", "status"))


def code_of(executed: Executed) -> str:
    """Identity of the code that makes its result."""
    assert isinstance(executed, Run | Measure)
    return code_id(*(trainer_code(executed) if isinstance(executed, Run) else measure_code(executed)))


def awaited(study: Study, claims: Sequence[Claim] = CLAIMS) -> dict[str, set[str]]:
    """Ids of the records that each claim rests on, by its number."""
    sources = {name: _sources(study, name) for name in study.claims.tables}
    return {claim.number: set(_awaited(study, claim, sources)) for claim in claims}


def measured(study: Study, claim: Claim) -> list[Measure]:
    """The measures of trained models that a claim rests on; they read checkpoints."""
    names: dict[Findings, Sequence[str]] = {
        product_variance.findings: [study.claims.variance],
        gradcam_focus.findings: study.claims.explained,
    }
    return [study.measures[name] for name in (names.get(claim.findings, ()) if claim.findings else ())]


def in_order(
    study: Study, runs: Sequence[Run], seconds: Mapping[str, float], claims: Sequence[Claim] = CLAIMS
) -> list[Run]:
    """The Runs, those first that settle most of the claims for the time they take.

    `seconds` by id; a Run that it lacks is taken as the median of the others.
    """
    usual = statistics.median(seconds.values()) if seconds else 1.0
    time = {run.id: seconds.get(run.id, usual) for run in runs}
    points: dict[str, float] = defaultdict(float)
    for ids in awaited(study, claims).values():
        missing = ids & time.keys()
        whole = sum(time[each] for each in missing)
        for each in missing if whole else ():
            points[each] += 1 / whole
    siblings = [run.id.rpartition("/")[0] for run in runs]
    nth = {run.id: siblings[:n].count(siblings[n]) for n, run in enumerate(runs)}  # seeds of the same training before
    return sorted(runs, key=lambda run: (nth[run.id], -points[run.id]))


def _sources(study: Study, table: str) -> dict[str, str]:
    """Where each column of a table is read."""
    frame = TABLES[table](study.claims.tables[table], Path("results"))[0]
    return {column.key: column.source for column in frame.columns}


def _awaited(study: Study, claim: Claim, sources: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    spec = study.claims
    for expected in claim.expects:
        table = spec.tables[expected.table]
        source = sources[expected.table][expected.column]
        for row in table.rows:
            if row.label in expected.rows and table.why_not(row, source) is None:
                yield from record_ids(table, row, source)
    if claim.findings is search_preference.findings and search_preference.TABLE in spec.tables:
        yield from record_ids_needed(spec.tables[search_preference.TABLE])
    for measure in measured(study, claim):
        for file in inputs(measure):
            yield Path(file).parent.as_posix().removeprefix(f"results/{study.scale}/")
