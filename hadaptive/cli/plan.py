"""The verb that estimates what a command would run: Snakemake says which jobs, past records how long they take."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hadaptive.cli.common import Verb
from hadaptive.data.errors import DataError
from hadaptive.errors import UserError
from hadaptive.terminal import as_text
from hadaptive.units import duration, size

if TYPE_CHECKING:
    from hadaptive.data.sharding import Plan
    from hadaptive.plan import Past
    from hadaptive.run import Run

RENDERINGS = {
    "table",
    "table_not_in_the_paper",
    "figure",
    "claims",
    "bundle",
    "results",
    "metrics",
    "plots_page",
    "checklists",
    "crate",
    "pdf",
}  # rules that turn records into files, in seconds
MEMORY = Path(".snakemake/metadata")  # Snakemake's own: among other things how long each file took to make
JOB = re.compile(r"^(?:local)?rule (\w+):$")


@dataclass(frozen=True)
class Job:
    """A job that would run: its rule, its files, its command."""

    rule: str
    outputs: tuple[str, ...]
    command: str


@dataclass
class Family:
    """Jobs of one kind: of a rule or, if they train, of a rule and a task. Lists hold what is known of each."""

    count: int = 0
    seconds: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    disk: list[int] = field(default_factory=list)
    gpu: bool = False
    alone: bool = False


def add(verb: Verb) -> None:
    """Add this verb to the command line."""
    plan = verb("plan", _plan, "estimate the jobs, time, memory and disk of a command, from past records")
    plan.add_argument("targets", nargs="*", help="files or rules, as for snakemake (default: everything)")
    plan.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as for snakemake")
    plan.add_argument("--device", choices=["cpu", "cuda"], help="what trainings would run on (default: as here)")
    plan.add_argument("--at-once", type=int, metavar="N", help="trainings side by side (default: cores, or one GPU)")


def _plan(a: argparse.Namespace) -> None:
    config = [*a.config, *([f"scale={a.scale}"] if a.scale else [])]
    words = ["-n", "-p", "--nocolor", *a.targets, *(["--config", *config] if config else [])]
    done = subprocess.run([sys.executable, "-m", "snakemake", *words], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"snakemake cannot plan this: {(done.stderr or done.stdout).strip()}")
    print(summary(planned(done.stdout), a.device, a.at_once))


def planned(dry_run: str) -> list[Job]:
    """The jobs that `snakemake -n -p` announced."""
    found: list[Job] = []
    for line in dry_run.splitlines():
        if match := JOB.match(line):
            found.append(Job(match[1], (), ""))
        elif found and line.startswith("    output: "):
            outputs = tuple(line.removeprefix("    output: ").split(", "))
            found[-1] = Job(found[-1].rule, outputs, found[-1].command)
        elif found and line.startswith("Shell command: "):
            found[-1] = Job(found[-1].rule, found[-1].outputs, line.removeprefix("Shell command: "))
    return [job for job in found if job.outputs]


def of(jobs: Iterable[Any], cores: int) -> str:
    """The plan of Snakemake's own jobs, for the Snakefile to show before it starts them."""
    return summary(
        [Job(job.rule.name, tuple(job.output), job.shellcmd or "") for job in jobs if job.output], None, cores
    )


def summary(jobs: Sequence[Job], device: str | None = None, at_once: int | None = None) -> str:
    """The plan as a table for the terminal, with what is known, what is not, and from what."""
    from hadaptive.devices import gpus
    from hadaptive.plan import elapsed, past

    if not jobs:
        return "nothing to do: everything asked for is there and up to date"
    renderings = sum(job.rule in RENDERINGS for job in jobs)
    shown = f"{renderings} rendering{'s' * (renderings > 1)}, seconds" if renderings else ""
    jobs = [job for job in jobs if job.rule not in RENDERINGS]
    if not jobs:
        return shown
    device = device or ("cuda" if gpus() else "cpu")
    at_once = at_once or (1 if device == "cuda" else os.cpu_count() or 1)
    families, notes = _families(jobs, past(Path("results")), device)
    beside = [s for family in families.values() if not family.alone for s in family.seconds]
    wall = elapsed(beside, at_once, [s for family in families.values() if family.alone for s in family.seconds])
    unknown = sum(family.count - len(family.seconds) for family in families.values())
    least = "at least " if unknown else ""
    where = f"{at_once} GPU{'s' * (at_once > 1)}" if device == "cuda" else f"{at_once} CPU core{'s' * (at_once > 1)}"
    lines = [_table(families), *([shown] if shown else []), f"{least}{duration(wall)} on {where}, {at_once} at once"]
    if unknown:
        lines.append(f"{unknown} of {len(jobs)} jobs have no estimate: no similar job on record")
    return "\n".join([*lines, *notes])


def _families(jobs: Sequence[Job], known: Past, device: str) -> tuple[dict[str, Family], list[str]]:
    from hadaptive.plan import UNKNOWN, estimate
    from hadaptive.study.measures import MEASURES

    families: dict[str, Family] = defaultdict(Family)
    bases: dict[str, list[str]] = defaultdict(list)
    before = _times_before()
    for job in jobs:
        run, kind = _run(job), _kind(job.outputs[0])
        of = run.task if run else kind if job.rule == "measure" else ""
        family = families[f"{job.rule} ({of})" if of else job.rule]
        family.count += 1
        family.alone = kind in MEASURES and MEASURES[kind].alone
        if run is None:
            times = before.get(job.rule, {})
            # files of other data sets say nothing of this one's, nor do measures of other kinds
            alike = [] if job.rule == "data" else [s for path, s in times.items() if _kind(path) == kind]
            took = times.get(job.outputs[0]) or statistics.median(alike or [0.0])
            if job.rule == "decode" and (decoding := _decoding(job)):
                words = shlex.split(job.command)
                took = decoding.seconds(int(words[words.index("--threads") + 1]))
                family.disk.append(sum(shard.bytes for shard in decoding.missing))
            family.seconds += [took] if took else []
            continue
        family.gpu = device == "cuda"
        found = estimate(run, known, device)
        bases[found.basis].append(run.model)
        for kept, value in ((family.seconds, found.seconds), (family.memory, found.memory), (family.disk, found.disk)):
            kept += [value] if value is not None else []
    notes = [
        f"{len(models)} trainings {basis}" + (f": {', '.join(dict.fromkeys(models))}" if basis == UNKNOWN else "")
        for basis, models in bases.items()
    ]
    return families, notes


def _decoding(job: Job) -> Plan | None:
    """What a job decodes, of which a few images are decoded now; None where the image folder is not prepared yet."""
    from hadaptive.data.sharding import plan_of

    folder = Path(job.outputs[0]).parent
    try:
        return plan_of(folder.parent, int(folder.name.removesuffix("px")))
    except DataError:
        return None


def _kind(output: str) -> str:
    """The kind of the measure that writes a file; empty for files of anything else."""
    from hadaptive.study.measures import MEASURES

    folder, _, kind, *_ = *Path(output).parts, "", "", ""
    return kind if folder == "results" and kind in MEASURES else ""


def _run(job: Job) -> Run | None:
    """The Run that a job trains, from its command."""
    from hadaptive.tasks import TASKS

    words = shlex.split(job.command)
    text = next((word for word in words if word.startswith('{"') and '"recipe"' in word), None)
    if text is None or (task := json.loads(text).get("task")) not in TASKS:
        return None
    return TASKS[task].run.model_validate_json(text)


def _times_before() -> dict[str, dict[str, float]]:
    """Seconds that Snakemake remembers each file took to make, by rule and file; nothing where it remembers nothing."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for path in MEMORY.rglob("*"):
        try:
            entry = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
            if not entry.get("incomplete", True):
                found[entry["rule"]][_target(path)] = entry["endtime"] - entry["starttime"]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a file of another version of Snakemake's
    return found


def _target(path: Path) -> str:
    """The file that an entry of Snakemake's memory is of: its name in base64, cut into folders marked with @."""
    import base64

    parts = [part.removeprefix("@") for part in path.relative_to(MEMORY).parts]
    return base64.urlsafe_b64decode("".join(parts)).decode()


def _table(families: dict[str, Family]) -> str:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("job")
    for head in ("jobs", "time in all", "GPU time", "memory of one", "disk"):
        table.add_column(head, justify="right")
    for name, family in sorted(families.items(), key=lambda item: -sum(item[1].seconds)):
        table.add_row(name, str(family.count), *_cells(family))
    total = Family(
        sum(f.count for f in families.values()),
        [s for f in families.values() for s in f.seconds],
        [m for f in families.values() for m in f.memory],
        [d for f in families.values() for d in f.disk],
    )
    gpu = Family(seconds=[s for f in families.values() if f.gpu for s in f.seconds], gpu=True)
    cells = _cells(total)
    table.add_row("all", str(total.count), cells[0], _cells(gpu)[1] if gpu.seconds else "-", *cells[2:])
    return as_text(table)


def _cells(family: Family) -> list[str]:
    """Time, GPU time, memory, disk; > where some of the jobs are unknown."""
    more = "> " if len(family.seconds) < family.count else ""
    seconds = f"{more}{duration(sum(family.seconds))}" if family.seconds else "unknown"
    trains = bool(family.memory or family.disk or family.gpu)
    memory = size(max(family.memory)) if family.memory else "unknown" if trains else "-"
    disk = size(sum(family.disk)) if family.disk else "unknown" if trains else "-"
    return [seconds, (seconds if family.gpu else "-"), memory, disk]
