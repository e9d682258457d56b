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
    for name in tables(params):
        if (root / f"{name}.tex").exists():
            lines.append(f"{root / name}.tex, .md, .csv    measured at scale {params.scale}")
            lines.append(f"{root / name}_compare.tex, .md, .csv    the same beside the published values")
    lines += [
        f"{root / name}.pdf, .png, .csv, .txt    drawn at scale {params.scale}"
        for name in figures(params)
        if (root / f"{name}.pdf").exists()
    ]
    lines.append(f"results/{params.scale}/    every record, curve and checkpoint behind them")
    if params.scale in NEXT:
        what, scale = NEXT[params.scale]
        lines += ["", f"Next, {what}:", f"    snakemake --cores 8 paper_tables/table7.tex --config scale={scale}"]
    return "\n".join(lines)
