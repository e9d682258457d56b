"""What to say when the workflow has ended: what there is, where, and what is worth trying next."""

from __future__ import annotations

from pathlib import Path

from hadaptive.config import Params
from hadaptive.experiments import figures, tables

NEXT = {
    "demo": (
        "real CIFAR-100 on a CPU, in hours (three models: add models=hadaptive_net_s,mobilenetv3_small_100)",
        "cpu",
    ),
    "cpu": ("the same on a GPU", "gpu"),
    "gpu": ("the paper's own settings, in days", "paper"),
}


def made(params: Params, root: Path = Path("paper_tables")) -> str:
    """The closing message of a run at the chosen scale."""
    lines = [""]
    lines += [
        f"{root / name}.tex, .md, .csv    measured at scale {params.scale}"
        for name in tables(params)
        if (root / f"{name}.tex").exists()
    ]
    if len(lines) > 1:
        lines.append(f"{root}/*_compare.tex, .md, .csv    the same beside the published values")
    lines += [
        f"{root / name}.pdf, .png, .csv, .txt    drawn at scale {params.scale}"
        for name in figures(params)
        if (root / f"{name}.pdf").exists()
    ]
    if (root / "claims.md").exists():
        lines.append(f"{root / 'claims.md'}, .csv    the paper's claims, each with a verdict")
    lines.append(f"results/{params.scale}/    every record, curve and checkpoint behind them")
    if params.scale in NEXT:
        what, scale = NEXT[params.scale]
        lines += ["", f"Next, {what}:", f"    snakemake --cores 8 paper_tables/table7.tex --config scale={scale}"]
    return "\n".join(lines)
