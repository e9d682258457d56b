"""Every file the workflow can make, to catch a mistyped target before Snakemake's own message. Imports no torch."""

from __future__ import annotations

from hadaptive.config import Params
from hadaptive.errors import UserError, nearest
from hadaptive.experiments.executed import executed
from hadaptive.experiments.measures import measures
from hadaptive.experiments.papers import figures, tables
from hadaptive.experiments.runs import runs
from hadaptive.paper.files import CLAIMS_ENDINGS, ENDINGS, FIGURE_ENDINGS, KINDS, PDF


def check_target(params: Params, path: str) -> None:
    """UserError, with the nearest right one, for a file under paper_tables/ or results/ that no rule makes."""
    folder, suffix = path.partition("/")[0], path.rpartition(".")[2]
    ours = {*ENDINGS, *FIGURE_ENDINGS, "json", "pt", "onnx"}
    if suffix not in ours:  # not ours to judge: `--report paper_tables/report.html`
        return
    if folder == "paper_tables":
        known = [
            f"paper_tables/{name}{kind}.{ending}" for name in tables(params) for kind in KINDS for ending in ENDINGS
        ]
        known += [f"paper_tables/{name}.{ending}" for name in figures(params) for ending in FIGURE_ENDINGS]
        known += [f"paper_tables/claims.{ending}" for ending in CLAIMS_ENDINGS]
        known.append(f"paper_tables/{PDF}")
    elif folder == "results":
        known = [str(each.folder / "record.json") for each in executed(params)]
        known += [str(r.folder / f) for r in runs(params).values() for f in ("last.pt", "best.pt")]
        known += [str(m.folder / f) for m in measures(params).values() for f in ("model.onnx", "plain.onnx")]
    else:
        return
    if path not in known:
        raise UserError(f"no rule makes {path} at scale {params.scale}.{nearest(path, known)}")
