"""What the other machine runs, in the order in which it settles most. Imports no torch.

First what runs alone: the kernels' own tests, Table 4, Figure 7, and the latencies that a claim of the paper waits for.
Then the trainings: first one seed of each, those first that settle most claims for the time they take
(`hadaptive.study.settling`, where it says when a claim waits for a record). Last the other latencies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hadaptive.plan import past, seconds_of
from hadaptive.run import Measure, Run
from hadaptive.study import Study
from hadaptive.study.measures import inputs
from hadaptive.study.runs import depends_on
from hadaptive.study.settling import awaited, code_of, in_order, on_record

SHARE = 0.15  # of the minutes, for each of the kernels' tests, Table 4 and Figure 7 at most
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
    waiting = {each for ids in awaited(study).values() for each in ids}
    latencies = [each for each in study.measures_of("latency") if not on_record(study, each)]
    runs = [each for each in study.runs.values() if not on_record(study, each)]
    runs = in_order(study, runs, seconds_of(runs, past(Path("results")), "cuda"))
    kept = {file for measure in study.measures.values() for file in inputs(measure)}
    return [
        Job(f"tests of {TESTS}", (*PYTEST, f"{TESTS}/device"), alone=True, limit_s=60 * minutes * SHARE),
        *(_kernel(each, minutes) for each in study.measures_of("kernels") if not on_record(study, each)),
        *(job for each in latencies if each.id in waiting for job in _latency(each, study)),
        *(_training(run, kept) for run in runs),
        *(job for each in latencies if each.id not in waiting for job in _latency(each, study)),
    ]


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
