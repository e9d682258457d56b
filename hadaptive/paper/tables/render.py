"""Tables as files: LaTeX and Markdown through the templates, CSV for machines. Same records in, same bytes out."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hadaptive.errors import UserError, nearest
from hadaptive.paper.escape import latex, markdown
from hadaptive.paper.spec import TableSpec
from hadaptive.paper.tables import TABLES, frames_of
from hadaptive.paper.tables.frame import WORDS, Column, Frame
from hadaptive.paper.tables.view import panels
from hadaptive.records import write_text

TEMPLATES = Path(__file__).parent / "templates"


def environment(escape: Callable[[object], Markup], templates: Path = TEMPLATES) -> Environment:
    """Jinja2 with delimiters that LaTeX leaves free. Every expression is escaped unless it is markup already (what a
    macro returns); a name that is not there is an error.
    """
    return Environment(
        loader=FileSystemLoader(templates),
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else escape(value),
        autoescape=True,  # so that macros return markup; `finalize` has escaped already
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


_ENVIRONMENTS = {"tex": environment(latex), "md": environment(markdown)}


def text(frame: Frame, suffix: str) -> str:
    """A frame as LaTeX ("tex", an \\input-able float; needs booktabs and graphicx) or Markdown ("md")."""
    return _ENVIRONMENTS[suffix].get_template(f"table.{suffix}.j2").render(frame=frame, panels=panels(frame))


def standalone(tex: str) -> str:
    """A whole LaTeX document around a table, to compile it by itself."""
    return _ENVIRONMENTS["tex"].get_template("standalone.tex.j2").render(body=Markup(tex))


def table_csv(frame: Frame) -> str:
    """A frame as CSV: a line a model, plain numbers, "" where empty, and the reason beside it."""
    stand_ins = [name for name, source in frame.spec.sources.items() if source.stand_in]
    head = ["label", "model", "variant", "group", "scale", "demonstration", *(f"{name}_stand_in" for name in stand_ins)]
    lines = [[*head, *(name for column in frame.columns for name in _csv_names(frame, column))]]
    for n, row in enumerate(frame.spec.rows):
        line = [row.label, row.model, row.variant, str(row.group), frame.spec.scale]
        line.append("yes" if frame.spec.demonstration else "no")
        line += [frame.spec.sources[name].stand_in or "" for name in stand_ins]
        lines.append([*line, *(value for column in frame.columns for value in _csv_values(frame, column, n))])
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue()


def _csv_names(frame: Frame, column: Column) -> list[str]:
    if column.role != "measured":
        return [column.key]
    seeded = frame.spec.source(column.source).seeds is not None
    return [column.key, *(f"{column.key}_{part}" for part in (("std", "n") if seeded else ())), f"{column.key}_reason"]


def _csv_values(frame: Frame, column: Column, row: int) -> list[str]:
    if column.role in WORDS:
        return [frame.spec.rows[row].words.get(column.key, "")]
    cell = frame.cells[column.key][row]
    value, std = ("" if number is None else f"{number:.10g}" for number in (cell.value, cell.std))
    fields = {
        column.key: cell.printed or value,
        f"{column.key}_std": std,
        f"{column.key}_n": str(cell.n),
        f"{column.key}_reason": "; ".join(remark.text for remark in cell.remarks),
    }
    return [fields[name] for name in _csv_names(frame, column)]


def render(spec: TableSpec, results_root: Path, out_dir: Path) -> list[Path]:
    """Write a table and its versions, each as .tex, .md and .csv, to `out_dir`; returns the paths written.

    Missing or failed records make empty cells, never an error. UserError for a table that has no frame function.
    """
    if not spec.heads and spec.table not in TABLES:
        raise UserError(f"no table {spec.table!r}.{nearest(spec.table, list(TABLES))}")
    written = {}
    for frame in frames_of(spec, results_root):
        for suffix in ("tex", "md", "csv"):
            written[out_dir / f"{frame.stem}.{suffix}"] = table_csv(frame) if suffix == "csv" else text(frame, suffix)
    for path, content in written.items():
        write_text(path, content)
    return list(written)
