"""Every table and figure of a scale in one PDF, set by LaTeX from the files in paper_tables."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from markupsafe import Markup

from hadaptive.errors import UserError
from hadaptive.paper import files
from hadaptive.paper.escape import latex
from hadaptive.paper.order import called, in_order
from hadaptive.paper.spec import BundleSpec
from hadaptive.paper.tables.render import environment
from hadaptive.records import atomic

TEMPLATES = Path(__file__).parent / "templates"
NO_LATEX = (
    "latexmk is not installed, so there is no paper.pdf; everything else is made without it. On Debian or Ubuntu: "
    "apt install latexmk texlive-latex-extra"
)


def write(spec: BundleSpec, out_dir: Path) -> Path:
    """Write paper.pdf. UserError without LaTeX, and where a file of another scale or none stands for a float."""
    if shutil.which("latexmk") is None:
        raise UserError(NO_LATEX)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "paper.tex").write_text(document(spec, out_dir, folder), encoding="utf-8")
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


def document(spec: BundleSpec, out_dir: Path, folder: Path) -> str:
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
        title, alt = files.said(name, out_dir) if figure else ("", "")
        parts.append({"figure": figure, "files": [Markup(each) for each in taken], "called": called(name),
                      "title": title, "alt": alt, "name": Markup(name.replace("_", "-"))})  # fmt: skip
    return environment(latex, TEMPLATES).get_template("paper.tex.j2").render(spec=spec, parts=parts)


def _environment() -> dict[str, str]:
    """LaTeX's, with the date of the format in the place of the clock: equal files give equal bytes."""
    return {**os.environ, "SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"}


def _complaint(log: str) -> str:
    found = re.search(r"^! .*(?:\n.*){0,3}", log, re.M)
    return " ".join((found.group() if found else log[-400:]).split())
