"""The verb that runs what settles most claims within a time: says what it expects, runs it, says what has changed."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hadaptive.cli.common import Verb
from hadaptive.errors import UserError
from hadaptive.terminal import as_text

if TYPE_CHECKING:
    from hadaptive.paper.claims.statements import Judged
    from hadaptive.run import Measure, Run
    from hadaptive.study.intended import Intended

RESULTS = Path("results")
MORE = "for more seeds or a larger budget, edit params.yaml"
AT_A_TIME = 3  # Runs for each core that one call of Snakemake is given: within a call it chooses their order itself


def add(verb: Verb) -> None:
    """Add this verb to the command line."""
    settle = verb("settle", _settle, "run what settles most of the paper's claims within a time, and say what changed")
    settle.add_argument("--hours", type=_positive, default=2.0, help="how long it may take (default: 2)")
    settle.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="as for snakemake (default: all)")
    settle.add_argument("--dry-run", "-n", action="store_true", help="only say what it would run and what it expects")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def _settle(a: argparse.Namespace) -> None:
    from hadaptive.config import load
    from hadaptive.paper.claims.statements import judge
    from hadaptive.plan import past
    from hadaptive.study import Study
    from hadaptive.study.intended import intend
    from hadaptive.study.measures import inputs

    study = Study(load(given={"reference": "first", **({"scale": a.scale} if a.scale else {})}))
    before = judge(study.claims, RESULTS)
    intended = intend(study, before, past(RESULTS), a.hours, a.cores)
    print(summary(intended, a.hours, a.cores), flush=True)
    if a.dry_run or not intended.chosen:
        return
    end = time.monotonic() + 3600 * a.hours
    failed = _run(study.scale, intended.chosen, end, a.cores)
    ready = [each for each in intended.measures if all(Path(file).exists() for file in inputs(each))]
    failed |= _run(study.scale, ready, end, a.cores)
    print(changed(before, judge(study.claims, RESULTS)))
    if failed:
        raise UserError("not everything ended well: see above, and logs/; the same command goes on with the rest")


def summary(intended: Intended, hours: float, cores: int) -> str:
    """What would be run and what is expected of it, as a table for the terminal."""
    from rich.table import Table

    from hadaptive.plan import elapsed
    from hadaptive.units import duration

    if not intended.runs:
        return f"nothing to run: no unsettled claim waits for a Run of this scale; {MORE}"
    table = Table("Run", "time", "claims that wait for it", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for run in intended.chosen:
        known = intended.seconds.get(run.id)
        claims = [number for number, ids in intended.waits.items() if run.id in ids]
        table.add_row(run.id, "unknown" if known is None else duration(known), "; ".join(claims))
    times = [intended.seconds[run.id] for run in intended.chosen if run.id in intended.seconds]
    least = "at least " if len(times) < intended.fit else ""
    return "\n".join(
        [
            as_text(table),
            f"{intended.fit} of {len(intended.runs)} missing Runs within {duration(3600 * hours)}: expected to take "
            f"{least}{duration(elapsed(times, cores))} on {cores} cores",
            f"claims that these complete, with at least one seed of each model: {'; '.join(intended.judged) or 'none'}",
        ]
    )


def changed(before: Sequence[Judged], after: Sequence[Judged]) -> str:
    """Which verdicts changed, a line each, with the comparisons behind them."""
    lines = [
        f"claim {new.claim.number}: {old.verdict} -> {new.verdict} ({old.counts} -> {new.counts})"
        for old, new in zip(before, after, strict=True)
        if (old.verdict, old.counts) != (new.verdict, new.counts)
    ]
    return "\n".join(["what changed:", *lines] if lines else ["no verdict changed"])


def _run(scale: str, executed: Sequence[Run | Measure], end: float, cores: int) -> bool:
    """Have the workflow make the records, a few at a time, until the clock says `end`; whether one failed.

    A training that is under way then saves itself and is resumed by the next call.
    """
    failed = False
    for first in range(0, len(executed), AT_A_TIME * cores):
        if time.monotonic() >= end:
            break
        some = executed[first : first + AT_A_TIME * cores]
        targets = [(each.folder / "record.json").as_posix() for each in some]
        config = ["--config", f"scale={scale}", "reference=first"]
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--keep-going", *targets, *config]
        started = subprocess.Popen(command)
        try:
            failed |= started.wait(max(0.0, end - time.monotonic())) != 0
        except subprocess.TimeoutExpired:
            started.send_signal(signal.SIGTERM)
            started.wait()
            print("the time is over: what was under way is saved, and resumed when this command runs again", flush=True)
            break
        except KeyboardInterrupt:
            started.wait()
            raise
    return failed
