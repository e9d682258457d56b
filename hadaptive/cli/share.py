"""Verbs that describe a whole study for others: checklists and the bundle's RO-Crate."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hadaptive.cli.common import Verb, content, study

if TYPE_CHECKING:
    from hadaptive.paper.bundle.checklists.facts import Facts
    from hadaptive.study import Study


def add(verb: Verb) -> None:
    """Add these verbs to the command line."""
    checklists = verb("checklists", _checklists, "answer the ACM and the ML reproducibility checklist from records")
    crate = verb("crate", _crate, "describe the bundle as an RO-Crate")
    crate.add_argument("files", nargs="*", type=Path, help="what it holds (default: every file in --out)")
    for added in (checklists, crate):
        added.add_argument("--params", type=content, help="file with the JSON of all parameters (default: params.yaml)")
        added.add_argument("--out", type=Path, default=Path("paper_tables"), help="folder (default: paper_tables)")


def _checklists(a: argparse.Namespace) -> None:
    from hadaptive.paper.bundle.checklists.text import write

    print(write(_facts(study(a)), a.out))


def _crate(a: argparse.Namespace) -> None:
    from hadaptive.paper.bundle.crate import describe
    from hadaptive.paper.files import CRATE

    files = a.files or [path for path in a.out.iterdir() if path.is_file() and path.name != CRATE]
    print(describe(files, _facts(study(a)), a.out))


def _facts(chosen: Study) -> Facts:
    from hadaptive.paper.bundle.checklists.facts import gather

    return gather(
        chosen.scale,
        chosen.bundle.about,
        chosen.stand_in,
        [Path(path) for path in chosen.records],
        [Path(path) for path in chosen.manifests],
    )
