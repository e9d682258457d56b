"""One PDF of a scale, by LaTeX: what was measured, the claims, all tables and figures, discrepancies in the paper."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from markupsafe import Markup

from hadaptive.errors import UserError
from hadaptive.paper import files
from hadaptive.paper.bundle.provenance import places, shown
from hadaptive.paper.claims.statements import judge
from hadaptive.paper.escape import latex
from hadaptive.paper.order import called, in_order, subject
from hadaptive.paper.published import all_errata
from hadaptive.paper.spec import BundleSpec, record_ids_needed
from hadaptive.paper.tables import frames_of
from hadaptive.paper.tables.render import environment
from hadaptive.records import atomic

TEMPLATES = Path(__file__).parent / "templates"
NO_LATEX = (
    "latexmk is not installed, so there is no paper.pdf; everything else is made without it. On Debian or Ubuntu: "
    "apt install latexmk texlive-latex-extra"
)


def write(spec: BundleSpec, results_root: Path, out_dir: Path) -> Path:
    """Write paper.pdf. UserError without LaTeX, and where a file of another scale or none stands for a float."""
    if shutil.which("latexmk") is None:
        raise UserError(NO_LATEX)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "paper.tex").write_text(document(spec, results_root, out_dir, folder), encoding="utf-8")
        done = subprocess.run(
            ["latexmk", "-pdf", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=600,
            env=_environment(),
        )
        if done.returncode:
            raise UserError(f"LaTeX stopped: {_complaint(done.stdout)}")
        with atomic(out_dir / files.PDF) as temporary:
            shutil.copyfile(folder / "paper.pdf", temporary)
    return out_dir / files.PDF


def document(spec: BundleSpec, results_root: Path, out_dir: Path, folder: Path) -> str:
    """The document's LaTeX; the files it takes in are copied into `folder`, where no path can trouble LaTeX."""
    parts = []
    for name in in_order((*spec.tables, *spec.figures)):
        figure = name in spec.figures
        compared = not figure and spec.tables[name].compared
        made = files.figure_files(name, out_dir) if figure else files.table_files(name, compared, out_dir)
        taken = [path.name for path in made if path.suffix == (".pdf" if figure else ".tex")]
        if not files.of_scale(made, spec.scale):
            raise UserError(
                f"{called(name)} was not made at scale {spec.scale}; run `snakemake --cores 8 "
                f"{out_dir / files.PDF} --config scale={spec.scale}`"
            )
        for each in taken:
            shutil.copyfile(out_dir / each, folder / each)
        title, alt = files.title_and_alt(name, out_dir) if figure else (_title(spec, name, results_root), "")
        parts.append(
            {
                "figure": figure,
                "files": [Markup(each) for each in taken],
                "called": called(name),
                "subject": subject(name, title),
                "alt": alt,
                "name": Markup(name.replace("_", "-")),
            }
        )
    measured, cells = _counts(spec, results_root)
    claims = judge(spec.claims, results_root)
    return (
        environment(latex, TEMPLATES)
        .get_template("paper.tex.j2")
        .render(
            spec=spec,
            parts=parts,
            measured=measured,
            cells=cells,
            claims=claims,
            verdicts=Counter(each.verdict for each in claims),
            errata=all_errata(),
            records=len(record_ids_needed(spec)) - len(spec.not_run),
            references=len(spec.reference),
        )
    )


def _title(spec: BundleSpec, table: str, results_root: Path) -> str:
    return frames_of(spec.tables[table], results_root)[0].title


def _counts(spec: BundleSpec, results_root: Path) -> tuple[int, int]:
    """How many cells of all tables are measured, and how many there are."""
    cells = [
        at.cell for table in spec.tables.values() for at in places(*shown(table, results_root)) if at.cell is not None
    ]
    return sum(cell.value is not None for cell in cells), len(cells)


def _environment() -> dict[str, str]:
    """LaTeX's, with the date of the format in the place of the clock: equal files give equal bytes."""
    return {**os.environ, "SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"}


def _complaint(log: str) -> str:
    found = re.search(r"^! .*(?:\n.*){0,3}", log, re.M)
    return " ".join((found.group() if found else log[-400:]).split())
