"""What lies in paper_tables, and whether it was made at a scale: every output says its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

KINDS = ("", "_compare")  # a table as measured, and beside the published values
ENDINGS = ("tex", "md", "csv")
FIGURE_ENDINGS = ("pdf", "png", "csv", "txt")
CLAIMS_ENDINGS = ("md", "csv")
PAGE, ARCHIVE, PDF = "index.html", "bundle.zip", "paper.pdf"
CHECKLISTS, CRATE = "checklists.md", "ro-crate-metadata.json"
FOLDER = Path("paper_tables")


def table_files(name: str, out_dir: Path) -> list[Path]:
    """The files of a table."""
    return [out_dir / f"{name}{kind}.{ending}" for kind in KINDS for ending in ENDINGS]


def figure_files(name: str, out_dir: Path) -> list[Path]:
    """The files of a figure."""
    return [out_dir / f"{name}.{ending}" for ending in FIGURE_ENDINGS]


def claims_files(out_dir: Path) -> list[Path]:
    """The files with the verdicts on the claims."""
    return [out_dir / f"claims.{ending}" for ending in CLAIMS_ENDINGS]


def bundle_files(tables: Iterable[str], figures: Iterable[str], out_dir: Path = FOLDER) -> list[Path]:
    """Every file that a whole run makes, but for its own description."""
    return [
        *(path for name in tables for path in table_files(name, out_dir)),
        *(path for name in figures for path in figure_files(name, out_dir)),
        *claims_files(out_dir),
        *(out_dir / name for name in (CHECKLISTS, PAGE, ARCHIVE)),
    ]


def said(figure: str, out_dir: Path) -> tuple[str, str]:
    """A drawn figure's title and alternative text."""
    title, _, rest = (out_dir / f"{figure}.txt").read_text(encoding="utf-8").partition("\n\n")
    return title, rest.rpartition("\n\nScale: ")[0]


def of_scale(files: list[Path], scale: str) -> bool:
    """Whether all these files of one table, one figure or the claims are there and were made at that scale."""
    words = (f"Scale `{scale}`", f"scale `{scale}`", f"\nScale: {scale}\n")  # a table, the claims, a figure
    if not all(path.is_file() for path in files):
        return False
    said = [path.read_text(encoding="utf-8") for path in files if path.suffix in (".md", ".txt")]
    return all(any(each in text for each in words) for text in said)
