"""Every file the workflow can make, to catch a mistyped target before Snakemake's own message. Imports no torch."""

from __future__ import annotations

from hadaptive.config import Params
from hadaptive.errors import UserError, nearest
from hadaptive.paper.files import ARCHIVE, CLAIMS_ENDINGS, ENDINGS, FIGURE_ENDINGS, KINDS, PAGE, PDF
from hadaptive.study.collected import metric_files
from hadaptive.study.executed import executed
from hadaptive.study.measures import measures
from hadaptive.study.papers import figures, tables
from hadaptive.study.runs import runs


def bundle_files(params: Params) -> list[str]:
    """Every file of paper_tables/ that a whole run makes, but for its own description."""
    found = [f"{name}{kind}.{ending}" for name in tables(params) for kind in KINDS for ending in ENDINGS]
    found += [f"{name}.{ending}" for name in figures(params) for ending in FIGURE_ENDINGS]
    found += [*(f"claims.{ending}" for ending in CLAIMS_ENDINGS), "checklists.md", PAGE, ARCHIVE]
    return [f"paper_tables/{name}" for name in found]


def check_target(params: Params, path: str) -> None:
    """UserError, with the nearest right one, for a file under paper_tables/ or results/ that no rule makes."""
    folder, suffix = path.partition("/")[0], path.rpartition(".")[2]
    ours = {*ENDINGS, *FIGURE_ENDINGS, "json", "pt", "onnx"}
    if suffix not in ours:  # not ours to judge: `--report paper_tables/report.html`
        return
    if folder == "paper_tables":
        known = [*bundle_files(params), "paper_tables/ro-crate-metadata.json", f"paper_tables/{PDF}"]
    elif folder == "results":
        known = [str(each.folder / "record.json") for each in executed(params)]
        known += [str(r.folder / f) for r in runs(params).values() for f in ("last.pt", "best.pt")]
        known += [str(m.folder / f) for m in measures(params).values() for f in ("model.onnx", "plain.onnx")]
        known += [f"results/{params.scale}/curves.csv", *metric_files(params)]
    else:
        return
    if path not in known:
        raise UserError(f"no rule makes {path} at scale {params.scale}.{nearest(path, known)}")
