"""What lies in paper_tables, and whether it was made at a scale: every output says its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from hadaptive.paper.spec import TableSpec

ENDINGS = ("tex", "md", "csv")
FIGURE_ENDINGS = ("pdf", "png", "csv", "txt")
CLAIMS_ENDINGS = ("md", "csv")
PAGE, ARCHIVE, PDF = "index.html", "bundle.zip", "paper.pdf"
CHECKLISTS, CRATE = "checklists.md", "ro-crate-metadata.json"
RESULTS = ("results.csv", "results.parquet")
FOLDER = Path("paper_tables")


def table_stems(name: str, compared: bool) -> list[str]:
    """What the files of a table are called: as measured and, with `compared`, beside the published values."""
    return [name, *([f"{name}_compare"] if compared else [])]


def table_files(name: str, compared: bool, out_dir: Path = FOLDER) -> list[Path]:
    """The files of a table."""
    return [out_dir / f"{stem}.{ending}" for stem in table_stems(name, compared) for ending in ENDINGS]


def figure_files(name: str, out_dir: Path = FOLDER) -> list[Path]:
    """The files of a figure."""
    return [out_dir / f"{name}.{ending}" for ending in FIGURE_ENDINGS]


def claims_files(out_dir: Path = FOLDER) -> list[Path]:
    """The files with the verdicts on the claims."""
    return [out_dir / f"claims.{ending}" for ending in CLAIMS_ENDINGS]


def shown_files(tables: Mapping[str, TableSpec], figures: Iterable[str], out_dir: Path = FOLDER) -> list[Path]:
    """The files of all tables and figures."""
    return [
        *(path for name, spec in tables.items() for path in table_files(name, spec.compared, out_dir)),
        *(path for name in figures for path in figure_files(name, out_dir)),
    ]


def bundle_files(tables: Mapping[str, TableSpec], figures: Iterable[str], out_dir: Path = FOLDER) -> list[Path]:
    """Every file that a whole run makes, but for its own description."""
    return [
        *shown_files(tables, figures, out_dir),
        *claims_files(out_dir),
        *(out_dir / name for name in (*RESULTS, CHECKLISTS, PAGE, ARCHIVE)),
    ]


def title_and_alt(figure: str, out_dir: Path) -> tuple[str, str]:
    """A drawn figure's title and alternative text."""
    title, _, rest = (out_dir / f"{figure}.txt").read_text(encoding="utf-8").partition("\n\n")
    return title, rest.rpartition("\n\nScale: ")[0]


SCALE = re.compile(r"(?:Scale|scale) `([\w.+-]+)`|^Scale: ([\w.+-]+)$|data-scale=\"([\w.+-]+)\"", re.M)


def scale_of(stem: str, out_dir: Path = FOLDER) -> str | None:
    """The scale at which a table, a figure, the claims or the page ("index") was made; None where there is none."""
    for ending in ("txt", "md", "html"):
        path = out_dir / f"{stem}.{ending}"
        if path.is_file() and (found := SCALE.search(path.read_text(encoding="utf-8"))):
            return next(str(name) for name in found.groups() if name)
    return None


def of_scale(files: list[Path], scale: str) -> bool:
    """Whether all these files of one table, one figure or the claims are there and were made at that scale."""
    words = (f"Scale `{scale}`", f"scale `{scale}`", f"\nScale: {scale}\n")  # a table, the claims, a figure
    if not all(path.is_file() for path in files):
        return False
    texts = [path.read_text(encoding="utf-8") for path in files if path.suffix in (".md", ".txt")]
    return all(any(each in text for each in words) for text in texts)
