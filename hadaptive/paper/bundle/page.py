"""The page and its zip, written. The page fetches nothing: its policy forbids it, and any script but its own."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hadaptive.paper import files
from hadaptive.paper.bundle.contents import Contents, gather
from hadaptive.paper.bundle.tables import Table
from hadaptive.paper.claims.report import RULE
from hadaptive.paper.order import called
from hadaptive.paper.spec import BundleSpec
from hadaptive.records import atomic, write_text

TEMPLATES = Path(__file__).parent / "templates"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same contents give the same zip


@cache
def environment(templates: Path = TEMPLATES) -> Environment:
    """Jinja2 that escapes every expression, and takes no name that is not there."""
    made = Environment(
        loader=FileSystemLoader(templates),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["called"] = called
    made.tests["table"] = lambda value: isinstance(value, Table)
    return made


def html(contents: Contents) -> str:
    """The page as text."""
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    policy = f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}"
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            it=contents,
            policy=f"{policy}; base-uri 'none'; form-action 'none'",
            style=Markup(style),  # the project's own text, as the next
            script=Markup(script),
            rule=RULE,
            archive=files.ARCHIVE,
            pdf=files.PDF,
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def write(spec: BundleSpec, results_root: Path, out_dir: Path) -> tuple[Contents, list[Path]]:
    """Write index.html, and bundle.zip with it, the tables, the figures, the claims and their records."""
    contents = gather(spec, results_root, out_dir)
    page, archive = out_dir / files.PAGE, out_dir / files.ARCHIVE
    write_text(page, html(contents))
    top = f"hadaptive-{spec.scale}"
    inside = {f"{top}/paper_tables/{path.name}": path for path in (page, *contents.outputs)}
    inside |= {f"{top}/results/{path.relative_to(results_root).as_posix()}": path for path in contents.records}
    with atomic(archive) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as made:
        for name, path in sorted(inside.items()):
            made.writestr(_dated(name), path.read_bytes())
    return contents, [page, archive]


def _dated(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return info
