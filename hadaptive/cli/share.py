"""Verbs that describe a whole study for others: checklists and the bundle's RO-Crate."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hadaptive.cli.common import Verb, params

if TYPE_CHECKING:
    from hadaptive.config import Params
    from hadaptive.paper.bundle.checklists.facts import Facts


def add(verb: Verb) -> None:
    """Add these verbs to the command line."""
    checklists = verb("checklists", _checklists, "answer the ACM and the ML reproducibility checklist from records")
    crate = verb("crate", _crate, "describe the bundle as an RO-Crate")
    crate.add_argument("files", nargs="*", type=Path, help="what it holds (default: every file in --out)")
    for added in (checklists, crate):
        added.add_argument("--params", help="JSON of all parameters (default: params.yaml)")
        added.add_argument("--out", type=Path, default=Path("paper_tables"))


def _checklists(a: argparse.Namespace) -> None:
    from hadaptive.paper.bundle.checklists.text import write

    print(write(_facts(_params(a)), a.out))


def _crate(a: argparse.Namespace) -> None:
    from hadaptive.paper.bundle.crate import NAME, describe

    files = a.files or [path for path in a.out.iterdir() if path.is_file() and path.name != NAME]
    print(describe(files, _facts(_params(a)), a.out))


def _params(a: argparse.Namespace) -> Params:
    from hadaptive.config import Params

    return Params.model_validate_json(a.params) if a.params else params(a)


def _facts(chosen: Params) -> Facts:
    from hadaptive import study
    from hadaptive.paper.bundle.checklists.facts import gather
    from hadaptive.tasks import TASKS

    scale = chosen.scales[chosen.scale]
    return gather(
        chosen.scale,
        study.about(chosen, tuple(TASKS)),
        scale.stand_in,
        [Path(path) for path in study.records(chosen)],
        [Path(path) for path in study.manifests(chosen)],
    )
