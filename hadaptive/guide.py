"""What the workflow tells its user: that its jobs still run, and at the end what there is and what to try next."""

from __future__ import annotations

import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from hadaptive.paper import files
from hadaptive.paper.spec import REFERENCE, FigureSpec, TableSpec
from hadaptive.study import Study

Spec = TableSpec | FigureSpec

NEXT = {
    "demo": ("real CIFAR-100, from reference records, in seconds", "scale=cpu"),
    "cpu": ("the same on a GPU", "scale=gpu"),
    "gpu": ("the paper's own settings, in days", "scale=paper"),
}


QUIET_S = 8.0  # without a job that starts or ends


def remind(running: Callable[[], list[str]], quiet_s: float = QUIET_S) -> None:
    """Print which jobs run whenever none has started or ended for `quiet_s` seconds, as long as this process lives."""

    def watch() -> None:
        begun = time.monotonic()
        before, changed = running(), begun
        while True:
            time.sleep(quiet_s / 8)
            now, names = time.monotonic(), running()
            if names != before:
                before, changed = names, now
            elif names and now - changed >= quiet_s:
                changed = now
                print(f"{now - begun:.0f} s, running: {', '.join(sorted(names))}", file=sys.stderr, flush=True)

    threading.Thread(target=watch, daemon=True).start()


def made(study: Study, asked: Iterable[Spec], since: float, cores: int, root: Path = files.FOLDER) -> str:
    """The closing message of a command at the chosen scale: what it made, what is older, what is not run.

    `asked` are the tables and figures that it was to make, `since` is its start (seconds since the epoch).
    """
    scale = study.scale
    names = [*study.tables, *study.figures, "claims", Path(files.PAGE).stem]
    shows = {name: files.scale_of(name, root) for name in names}
    here = [name for name in names if shows[name] == scale]
    new = [name for name in here if max(path.stat().st_mtime for path in root.glob(f"{name}.*")) >= since]
    lines = ["", f"Made at scale {scale} in {root}/, with a copy in {root / scale}/:"]
    if tables := [name for name in new if name in study.tables]:
        compared = "; *_compare: beside the published values" if any(study.tables[n].compared for n in tables) else ""
        lines.append(_listed("    tables (.tex, .md, .csv): ", tables) + compared)
    if figures := [name for name in new if name in study.figures]:
        lines.append(_listed("    figures (.pdf, .png, .csv, .txt): ", figures))
    if "claims" in new:
        lines.append("    claims.md, .csv: the paper's claims, each with a verdict")
    if "index" in new:
        lines.append("    index.html, bundle.zip: everything on one page; open it and click a cell")
    if len(lines) == 2:
        lines.pop()
    if older := [name for name in here if name not in new]:
        lines.append(_listed(f"Made earlier at scale {scale}: ", older))
    if others := [f"{name} ({shown})" for name, shown in shows.items() if shown not in (None, scale)]:
        lines.append(_listed("Still of another scale: ", others))
    if study.params.takes == "only":
        lines.append(f"Reference records: results/{REFERENCE}/{scale}/")
    else:
        lines.append(f"Records, curves and checkpoints: results/{scale}/")
    lines += [sentence] if (sentence := not_run(study, asked, cores)) else []
    if scale in NEXT:
        what, chosen = NEXT[scale]
        lines += ["", f"Next, {what}:", f"    snakemake --cores 8 paper_tables/table7.tex --config {chosen}"]
    return "\n".join(lines)


def not_run(study: Study, asked: Iterable[Spec], cores: int) -> str:
    """How many Runs and measurements have no record and are not run, how to run them, and how long that takes."""
    ids = dict.fromkeys(each for spec in asked for each in spec.not_run)
    if not ids:
        return ""
    from hadaptive import plan
    from hadaptive.devices import gpus
    from hadaptive.units import duration

    runs = [study.runs[each] for each in ids if each in study.runs]
    known, device = plan.past(Path("results")), "cuda" if gpus() else "cpu"
    times = [plan.estimate(run, known, device).seconds for run in runs]
    seconds = [time for time in times if time is not None]
    about = "at least" if len(seconds) < len(ids) else "about"
    time = f"{about} {duration(plan.elapsed(seconds, 1 if gpus() else cores))}" if seconds else "time unknown"
    counts = [
        f"{n} {what}{'s' * (n > 1)}" for n, what in ((len(runs), "Run"), (len(ids) - len(runs), "measurement")) if n
    ]
    verb = "has" if len(ids) == 1 else "have"
    return (
        f"{' and '.join(counts)} {verb} no record with these settings; add `reference=first` to run "
        f"{'it' if len(ids) == 1 else 'them'} ({time})"
    )


def keep(scale: str, root: Path = files.FOLDER) -> None:
    """Copy the tables, figures, claims and page of a scale to root/<scale>/, where no other scale replaces them."""
    for path in [*root.glob("*.md"), *root.glob("*.txt"), *root.glob(files.PAGE)]:
        if files.scale_of(path.stem, root) == scale:
            beside = [root / files.ARCHIVE] if path.name == files.PAGE else root.glob(f"{path.stem}.*")
            for each in (path, *beside):
                copy = root / scale / each.name
                if each.is_file() and not (copy.exists() and copy.stat().st_mtime_ns == each.stat().st_mtime_ns):
                    copy.parent.mkdir(exist_ok=True)
                    shutil.copy2(each, copy)


def _listed(head: str, names: list[str]) -> str:
    return textwrap.fill(head + ", ".join(names), 100, subsequent_indent=" " * 8, break_on_hyphens=False)
