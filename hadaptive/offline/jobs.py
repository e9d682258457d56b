"""What the other machine runs, in the order in which it settles most. Imports no torch.

First what runs alone: the kernels' own tests, Table 4, Figure 7, and the latencies that a claim of the paper waits for.
Then the trainings: first one seed of each, those first that most claims wait for. Last the other latencies.
A claim waits for a record where one of its comparisons, or a measure that it rests on, reads it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hadaptive.identity import code_id
from hadaptive.paper.claims import gradcam_focus, product_variance, search_preference
from hadaptive.paper.claims.findings import Findings
from hadaptive.paper.claims.statements import CLAIMS, Claim
from hadaptive.paper.spec import record_ids, record_ids_needed
from hadaptive.paper.tables import TABLES
from hadaptive.record import Record, find
from hadaptive.run import Executed, Measure, Run
from hadaptive.study import Study
from hadaptive.study.measures import inputs, measure_code
from hadaptive.study.reference import same_settings
from hadaptive.study.runs import depends_on, trainer_code

SHARE = 0.15  # of the minutes, for each of the kernels' tests, Table 4 and Figure 7 at most
NO_GPU = "no CUDA device"
TESTS = "tests/kernels"
PYTEST = ("-m", "pytest", "-q", "-c", "/dev/null", "--rootdir=.", f"--confcutdir={TESTS}", "--import-mode=importlib")


@dataclass(frozen=True)
class Job:
    """A command that follows `python`, the files it needs and makes, and whether it runs alone.

    `keeps`: checkpoints that measures of this study need. `limit_s`: seconds after which it is ended as failed.
    """

    name: str
    command: tuple[str, ...]
    makes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    alone: bool = False
    limit_s: float | None = None
    code: str = ""
    dataset: str = ""


def jobs(study: Study, minutes: float) -> list[Job]:
    """Return what of the study's scale is not on record yet and can be run there, in order."""
    sources = {name: _sources(study, name) for name in study.claims.tables}
    awaited = Counter(name for claim in CLAIMS for name in set(_awaited(study, claim, sources)))
    latencies = [measure for measure in study.measures_of("latency") if not on_record(study, measure)]
    runs = [run for run in study.runs.values() if not on_record(study, run)]
    siblings = [run.id.rpartition("/")[0] for run in runs]
    nth = {run.id: siblings[:n].count(siblings[n]) for n, run in enumerate(runs)}  # seeds of the same training before
    runs.sort(key=lambda run: (nth[run.id], -awaited[run.id]))
    kept = {file for measure in study.measures.values() for file in inputs(measure)}
    return [
        Job(f"tests of {TESTS}", (*PYTEST, f"{TESTS}/device"), alone=True, limit_s=60 * minutes * SHARE),
        *(_kernel(measure, minutes) for measure in study.measures_of("kernels") if not on_record(study, measure)),
        *(job for measure in latencies if awaited[measure.id] for job in _latency(measure, study)),
        *(_training(run, kept) for run in runs),
        *(job for measure in latencies if not awaited[measure.id] for job in _latency(measure, study)),
    ]


def on_record(study: Study, executed: Executed) -> bool:
    """Return whether its record is there: with the project, or made with these settings and this code."""
    if executed.id in study.reference:
        return True
    record = find(executed.folder / "record.json")
    if not isinstance(record, Record) or not same_settings(executed, record) or without_gpu(record):
        return False
    return record.code in (None, code_of(executed))


def without_gpu(record: Record) -> bool:
    """Return whether a record says that there was no GPU to measure on."""
    return NO_GPU in (record.status, record.at("metrics", "gpu", "status"))


def code_of(executed: Executed) -> str:
    """Return the identity of the code that makes its result."""
    assert isinstance(executed, Run | Measure)
    return code_id(*(trainer_code(executed) if isinstance(executed, Run) else measure_code(executed)))


def _sources(study: Study, table: str) -> dict[str, str]:
    """Return where each column of a table is read."""
    frame = TABLES[table](study.claims.tables[table], Path("results"))[0]
    return {column.key: column.source for column in frame.columns}


def _awaited(study: Study, claim: Claim, sources: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Ids of the records that a claim rests on."""
    spec = study.claims
    for expected in claim.expects:
        table = spec.tables[expected.table]
        source = sources[expected.table][expected.column]
        for row in table.rows:
            if row.label in expected.rows and table.why_not(row, source) is None:
                yield from record_ids(table, row, source)
    if claim.findings is search_preference.findings and search_preference.TABLE in spec.tables:
        yield from record_ids_needed(spec.tables[search_preference.TABLE])
    measured: dict[Findings, Sequence[str]] = {
        product_variance.findings: [spec.variance],
        gradcam_focus.findings: spec.explained,
    }
    for name in measured.get(claim.findings, ()) if claim.findings else ():
        for file in inputs(study.measures[name]):
            yield Path(file).parent.as_posix().removeprefix(f"results/{study.scale}/")


def _kernel(measure: Measure, minutes: float) -> Job:
    seconds = 60 * minutes * SHARE
    command = ("-m", "hadaptive", "measure", measure.dumps(), "--limit", f"{seconds:.0f}")
    made = (f"{measure.folder.as_posix()}/record.json",)
    return Job(f"measure {measure.id}", command, made, alone=True, limit_s=2 * seconds, code=code_of(measure))


def _latency(measure: Measure, study: Study) -> Iterator[Job]:
    """Yield the export of a model and its latency: what the rules `export` and `latency` run."""
    complexity = study.measures[measure.id.replace("latency/", "complexity/", 1)]
    files = tuple(f"{measure.folder.as_posix()}/{name}.onnx" for name in ("model", "plain"))
    exported = ("--onnx", files[0], "--plain", files[1])
    for verb, part, made, needs in (
        ("export", complexity, files, tuple(inputs(complexity))),
        ("latency", measure, (), files),
    ):
        record = f"{part.folder.as_posix()}/record.json"
        command = ("-m", "hadaptive", verb, part.dumps(), *exported)
        yield Job(f"{verb} {part.id}", command, (record, *made), needs, alone=True, code=code_of(part))


def _training(run: Run, kept: set[str]) -> Job:
    folder, command = run.folder.as_posix(), ("-m", "hadaptive", "train", run.dumps())
    needs = (f"data/prepared/{run.dataset}/manifest.json", *depends_on(run))
    checkpoints = tuple(f"{folder}/{name}.pt" for name in ("last", "best"))
    keeps = tuple(file for file in checkpoints if file in kept)
    return Job(
        f"train {run.id}", command, (f"{folder}/record.json",), needs, keeps, code=code_of(run), dataset=run.dataset
    )
