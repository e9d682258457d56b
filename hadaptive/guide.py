"""What to say when the workflow has ended: what there is, where, and what is worth trying next."""

from __future__ import annotations

from pathlib import Path

from hadaptive.paper.spec import REFERENCE
from hadaptive.study import Study

NEXT = {
    "demo": ("real CIFAR-100, from the records that came with the project, in seconds", "scale=cpu"),
    "cpu": ("the same on a GPU", "scale=gpu"),
    "gpu": ("the paper's own settings, in days", "scale=paper"),
}


def made(study: Study, root: Path = Path("paper_tables")) -> str:
    """The closing message of a run at the chosen scale. What still stands there from another scale is not named."""
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
