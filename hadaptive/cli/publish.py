"""Verbs that hand results on: trained weights for timm and the Hugging Face Hub, accuracies as a model index."""

from __future__ import annotations

import argparse
from pathlib import Path

from hadaptive.cli.common import Verb, content, prepared, study


def add(verb: Verb) -> None:
    """Add these verbs to the command line."""
    publish = verb("publish", _publish, "write a trained classifier as a folder for timm and the Hugging Face Hub")
    publish.add_argument("run", help="a Run's id (see `hadaptive runs`)")
    publish.add_argument("--out", type=Path, help="folder (default: timm/ beside the Run's record)")
    index = verb("model-index", _index, "write the accuracies of all classifiers in the form of the Hugging Face Hub")
    index.add_argument("--params", type=content, help="file with the JSON of all parameters (default: params.yaml)")
    index.add_argument("--out", type=Path, default=Path("paper_tables"), help="folder (default: paper_tables/)")


def _publish(a: argparse.Namespace) -> None:
    from hadaptive.publish import publish

    run = study(a).find(a.run)
    for path in publish(run.folder, prepared(run.dataset), a.out):
        print(path)


def _index(a: argparse.Namespace) -> None:
    from hadaptive.publish import write_index

    print(write_index(study(a), a.out))
