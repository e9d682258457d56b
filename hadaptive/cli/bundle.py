"""Verbs that show everything together: the bundle, its PDF, and one cell of it in the terminal."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from hadaptive.cli.common import Verb, params

RESULTS = Path("results")


def add(verb: Verb) -> None:
    """Add these verbs to the command line."""
    bundle = verb("bundle", _bundle, "write the page with every table, figure and claim, and a zip of all")
    pdf = verb("pdf", _pdf, "set every table and figure in one PDF, by LaTeX")
    for each in (bundle, pdf):
        each.add_argument("--params", help="JSON of the parameters (default: params.yaml)")
        each.add_argument("--out", type=Path, default=Path("paper_tables"))
    cell = verb("cell", _cell, "tell of one cell: its value, what is behind it, and how to make it again")
    cell.add_argument("table", help="for example table7")
    cell.add_argument("row", help="its label as printed, or model/variant")
    cell.add_argument("column", help="its name in the CSV, for example cifar100_top1")


def _params(a: argparse.Namespace) -> Any:
    from hadaptive.config import check

    return check(json.loads(a.params)) if a.params else params(a)


def _bundle(a: argparse.Namespace) -> None:
    from hadaptive.paper.bundle.page import write
    from hadaptive.study import bundle

    contents, paths = write(bundle(_params(a)), RESULTS, a.out)
    for path in paths:
        print(f"{path}    {path.stat().st_size / 2**20:.1f} MiB")
    print(f"{contents.measured} of {contents.cells} cells measured at scale {contents.spec.scale}")
    for each in contents.edited:
        print(f"edited by hand: {each}")
    for each in contents.left_out:
        print(f"left out of the zip: {each}")


def _pdf(a: argparse.Namespace) -> None:
    from hadaptive.paper.bundle.pdf import write
    from hadaptive.study import bundle

    print(write(bundle(_params(a)), a.out))


def _cell(a: argparse.Namespace) -> None:
    from hadaptive.paper.bundle.one_cell import told
    from hadaptive.study import tables

    print(told(tables(params(a)), a.table, a.row, a.column, RESULTS))
