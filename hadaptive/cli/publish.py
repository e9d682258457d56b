"""Verbs that hand results on: trained weights for the Hugging Face Hub, metrics as a model index."""

from __future__ import annotations

import argparse
from pathlib import Path

from hadaptive.cli.common import Verb, content, prepared, study


def add(verb: Verb) -> None:
    """Add these verbs to the command line."""
    publish = verb("publish", _publish, "write a trained model as the Hugging Face Hub takes it")
    publish.add_argument("run", help="a Run's id (see `hadaptive runs`)")
    publish.add_argument("--out", type=Path, help="folder (default: hub/ beside the Run's record)")
    index = verb("model-index", _index, "write the metrics of all trained models in the form of the Hugging Face Hub")
    index.add_argument("--params", type=content, help="file with the JSON of all parameters (default: params.yaml)")
    index.add_argument("--out", type=Path, default=Path("paper_tables"), help="folder (default: paper_tables/)")


def _publish(a: argparse.Namespace) -> None:
    from hadaptive.publish import publish

    whole = study(a)
    run = whole.find(a.run)
    for path in publish(run.folder, prepared(run.dataset), a.out, whole.params.data):
        print(path)


def _index(a: argparse.Namespace) -> None:
    from hadaptive.publish import write_index

    print(write_index(study(a), a.out))
