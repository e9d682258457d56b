"""Verbs that show results: tables, figures, claims, how Runs stand."""

from __future__ import annotations

import argparse
from pathlib import Path

from hadaptive.cli.common import Verb, content, study
from hadaptive.errors import UserError


def add(verb: Verb) -> None:
    """Add these verbs to the command line."""
    claims = verb("claims", _claims, "judge the paper's claims on the records of a scale")
    claims.add_argument(
        "--spec", type=content, help="file with the JSON of what to check (default: derived from params.yaml)"
    )
    claims.add_argument("--out", type=Path, default=Path("paper_tables"), help="folder (default: paper_tables)")
    claims.add_argument(
        "--strict", action="store_true", help="exit code 1 where one is contradicted, not counting demonstrations"
    )
    figure = verb("figure", _figure, "draw a figure from records")
    figure.add_argument("figure", help="for example figure1")
    figure.add_argument(
        "--spec", type=content, help="file with the JSON of the figure (default: derived from params.yaml)"
    )
    figure.add_argument("--out", type=Path, default=Path("paper_tables"), help="folder (default: paper_tables)")
    metrics = verb(
        "metrics", _metrics, "write every cell and curve as plain numbers, which `dvc metrics` and `plots` show"
    )
    metrics.add_argument(
        "--spec", type=content, help="file with the JSON of what to write (default: derived from params.yaml)"
    )
    page = verb("plots-page", _plots_page, "write the page of `dvc plots show`, which needs no network")
    page.add_argument("--out", type=Path, default=Path("results/plots.html"), help="file (default: results/plots.html)")
    render = verb("render", _render, "render a table from records")
    render.add_argument("table", help="for example table7")
    render.add_argument(
        "--spec", type=content, help="file with the JSON of the table (default: derived from params.yaml)"
    )
    render.add_argument("--out", type=Path, default=Path("paper_tables"), help="folder (default: paper_tables)")
    verb("runs", _runs, "list the Runs of a scale and their status")
    verb("keep", _keep, "copy a scale's finished records to results/reference, to be committed with the project")
    schema = verb("schema", _schema, "write the JSON schema of params.yaml")
    schema.add_argument("--out", type=Path, default=Path("workflow/params.schema.json"), help="file to write")


def _claims(a: argparse.Namespace) -> None:
    from hadaptive.paper.claims.report import table, write
    from hadaptive.paper.claims.statements import contradicted, judge
    from hadaptive.paper.spec import ClaimsSpec

    spec = ClaimsSpec.model_validate_json(a.spec) if a.spec else study(a).claims
    judged = judge(spec, Path("results"))
    print(table(judged))
    for path in write(judged, spec, a.out):
        print(path)
    if a.strict and (numbers := contradicted(judged)):
        raise UserError(f"contradicted at scale {spec.scale}: claims {', '.join(numbers)}; see {a.out / 'claims.md'}")


def _figure(a: argparse.Namespace) -> None:
    from hadaptive.errors import nearest
    from hadaptive.paper.figures import render_figure
    from hadaptive.paper.spec import FigureSpec

    known = {} if a.spec else study(a).figures
    if not a.spec and a.figure not in known:
        raise UserError(f"no figure {a.figure!r}.{nearest(a.figure, list(known))}")
    spec = FigureSpec.model_validate_json(a.spec) if a.spec else known[a.figure]
    for path in render_figure(spec, Path("results"), a.out):
        print(path)


def _plots_page(a: argparse.Namespace) -> None:
    from hadaptive.paper.plots_page import write

    print(write(a.out))


def _metrics(a: argparse.Namespace) -> None:
    from hadaptive.paper.spec import MetricsSpec
    from hadaptive.paper.tables.metrics import write

    spec = MetricsSpec.model_validate_json(a.spec) if a.spec else study(a).metrics
    for path in write(spec, Path("results")):
        print(path)


def _render(a: argparse.Namespace) -> None:
    from hadaptive.paper.spec import TableSpec
    from hadaptive.paper.tables.render import render

    if a.spec:
        spec = TableSpec.model_validate_json(a.spec)
    else:
        known = study(a).tables
        if a.table not in known:
            from hadaptive.errors import nearest

            raise UserError(f"no table {a.table!r}.{nearest(a.table, list(known))}")
        spec = known[a.table]
    for path in render(spec, Path("results"), a.out):
        print(path)


def _runs(a: argparse.Namespace) -> None:
    from hadaptive.paper.spec import REFERENCE
    from hadaptive.record import EDITED, Missing, Record, find
    from hadaptive.records import RECORD

    chosen = study(a)
    for run in chosen.runs.values():
        reference = run.id in chosen.reference
        record = find((Path("results", REFERENCE, run.scale, run.id) if reference else run.folder) / RECORD)
        if isinstance(record, Record):
            status = f"{record.status}{', reference record' * reference}"
            status += f" ({EDITED})" if record.edited else ""
        else:
            status = "not run" if isinstance(record, Missing) else str(record)
        print(f"{run.id:60} {status}")
    for task, reason in chosen.absent.items():
        print(f"{task:60} {reason}")


def _keep(a: argparse.Namespace) -> None:
    from hadaptive.study.reference import keep

    chosen = study(a)
    kept = keep(chosen.params, chosen.executed)
    print(f"{len(kept)} records of scale {chosen.scale} kept in results/reference/{chosen.scale}")


def _schema(a: argparse.Namespace) -> None:
    from hadaptive.config import dump_schema
    from hadaptive.records import write_text

    write_text(a.out, dump_schema())
