"""Verbs that show everything together: the bundle, its PDF, and one cell of it in the terminal."""

from __future__ import annotations

import argparse
from pathlib import Path

from hadaptive.cli.common import Verb, content, params, rendered_scale, study

RESULTS = Path("results")


def add(verb: Verb) -> None:
    """Add these verbs to the command line."""
    bundle = verb("bundle", _bundle, "write the page with all tables, figures and claims, and a zip of everything")
    pdf = verb("pdf", _pdf, "set every table and figure in one PDF, by LaTeX")
    results = verb(
        "results", _results, "write the metrics of all records as one table, results.csv and results.parquet"
    )
    for each in (bundle, pdf, results):
        each.add_argument("--params", type=content, help="file with the JSON of all parameters (default: params.yaml)")
        each.add_argument("--out", type=Path, default=Path("paper_tables"), help="folder (default: paper_tables)")
    cell = verb(
        "cell", _cell, "show one cell: value, records, command to reproduce it (default scale: the one rendered last)"
    )
    cell.add_argument("table", help="for example table7")
    cell.add_argument("row", help="its label as printed, or model/variant")
    cell.add_argument("column", help="its name in the CSV, for example cifar100_top1")


def _bundle(a: argparse.Namespace) -> None:
    from hadaptive.paper.bundle.page import write

    contents, paths = write(study(a).bundle, RESULTS, a.out)
    for path in paths:
        print(f"{path}    {path.stat().st_size / 2**20:.1f} MiB")
    print(f"{contents.measured} of {contents.cells} cells measured at scale {contents.spec.scale}")
    for each in contents.edited:
        print(f"edited by hand: {each}")
    for each in contents.left_out:
        print(f"left out of the zip: {each}")


def _pdf(a: argparse.Namespace) -> None:
    from hadaptive.paper.bundle.pdf import write

    print(write(study(a).bundle, RESULTS, a.out))


def _results(a: argparse.Namespace) -> None:
    from hadaptive.study.results import write

    for path in write(study(a), a.out):
        print(path)


def _cell(a: argparse.Namespace) -> None:
    from hadaptive.paper.bundle.one_cell import cell_text

    if not a.scale and (last := rendered_scale()) in params(a).scales:
        a.scale = last
    print(cell_text(study(a).tables, a.table, a.row, a.column, RESULTS))
