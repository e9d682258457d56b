"""paper.pdf: all tables and figures of one scale in the paper's order, where LaTeX is installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from hadaptive.errors import UserError
from hadaptive.paper.bundle import pdf
from tests.paper.bundle.conftest import Made


@pytest.fixture
def copy(made: Made, tmp_path: Path) -> Made:
    """A copy of the outputs whose figures LaTeX can take in."""
    shutil.copytree(made.out, tmp_path / "paper_tables")
    for name in made.spec.figures:
        Figure(figsize=(2, 1)).savefig(tmp_path / f"paper_tables/{name}.pdf")
    return Made(made.spec, made.results, tmp_path / "paper_tables")


def test_without_latex_a_clear_message(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"latexmk is not installed, so there is no paper\.pdf"):
        pdf.write(made.spec, made.results, made.out)


def test_what_another_scale_made_is_refused(copy: Made, tmp_path: Path) -> None:
    (copy.out / "figure7.txt").write_text("Figure 7\n\nOf yesterday.\n\nScale: cpu\n")
    with pytest.raises(UserError, match="Figure 7 was not made at scale demo; run `snakemake"):
        pdf.document(copy.spec, copy.results, copy.out, tmp_path)


def test_every_float_is_in_the_document_in_order(copy: Made, tmp_path: Path) -> None:
    text = pdf.document(copy.spec, copy.results, copy.out, tmp_path)
    places = [text.index(f"{{{name}}}") for name in ("table2.tex", "table2_compare.tex", "figure3.pdf", "table5.tex")]
    assert places == sorted(places)
    taken = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert all(f"{{{name}}}" in text for name in taken)
    assert len(taken) == 2 * len(copy.spec.tables) + len(copy.spec.figures)


@pytest.mark.skipif(shutil.which("latexmk") is None, reason="latexmk is not installed (latexmk, texlive-latex-extra)")
def test_it_compiles(copy: Made) -> None:
    path = pdf.write(copy.spec, copy.results, copy.out)
    assert path.name == "paper.pdf" and path.read_bytes().startswith(b"%PDF")
    (copy.out / "table2.tex").write_text(r"\nosuchmacro")
    with pytest.raises(UserError, match=r"LaTeX stopped: ! Undefined control sequence.*nosuchmacro"):
        pdf.write(copy.spec, copy.results, copy.out)
    assert path.read_bytes().startswith(b"%PDF"), "the one before stays"
