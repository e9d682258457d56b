"""What the workflow says to its user: that its jobs still run, and at its end what there is and what to try next."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from hadaptive.paper.spec import REFERENCE
from hadaptive.study import Study

NEXT = {
    "demo": ("real CIFAR-100, from the records that came with the project, in seconds", "scale=cpu"),
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


def made(study: Study, root: Path = Path("paper_tables")) -> str:
    """Return the closing message of a run at the chosen scale. It names nothing that another scale made."""
    scale = study.scale
    lines = [""]
    lines += [
        f"{root / name}.tex, .md, .csv    measured at scale {scale}"
        for name in study.tables
        if _says(root / f"{name}.md", f"Scale `{scale}`")
    ]
    if len(lines) > 1:
        lines.append(f"{root}/*_compare.tex, .md, .csv    the same beside the published values")
    lines += [
        f"{root / name}.pdf, .png, .csv, .txt    drawn at scale {scale}"
        for name in study.figures
        if _says(root / f"{name}.txt", f"\nScale: {scale}\n")
    ]
    if _says(root / "claims.md", f"scale `{scale}`"):
        lines.append(f"{root / 'claims.md'}, .csv    the paper's claims, each with a verdict")
    if _says(root / "index.html", f'data-scale="{scale}"'):
        lines.append(f"{root / 'index.html'}, bundle.zip    all of it on one page: open it, choose a cell")
    only = study.params.takes == "only"
    if only:
        lines.append(f"results/{REFERENCE}/{scale}/    the records behind them, which came with the project")
    else:
        lines.append(f"results/{scale}/    every record, curve and checkpoint behind them")
    if only or scale in NEXT:
        here = ("the same, run here, in hours", f"scale={scale} reference=never")
        what, chosen = here if only else NEXT[scale]
        lines += ["", f"Next, {what}:", f"    snakemake --cores 8 paper_tables/table7.tex --config {chosen}"]
    return "\n".join(lines)


def _says(path: Path, words: str) -> bool:
    return path.exists() and words in path.read_text(encoding="utf-8")
