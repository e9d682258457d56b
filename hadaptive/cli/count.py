"""Verbs that count: nothing is trained or timed, no data are read."""

from __future__ import annotations

import argparse

from hadaptive.cli.common import Verb


def add(verb: Verb) -> None:
    """Add these verbs to the command line."""
    structure = verb("structure", _structure, "list the layers of a net for Table 9 and Figures 2 and 4")
    structure.add_argument("measure", help="JSON of the measure")
    expansions = verb("expansions", _expansions, "count ways of expanding channels for Figures 5 and 6")
    expansions.add_argument("measure", help="JSON of the measure")


def _structure(a: argparse.Namespace) -> None:
    from hadaptive.measure.structure import record
    from hadaptive.records import write_json
    from hadaptive.run import Measure

    measure = Measure.model_validate_json(a.measure)
    write_json(measure.folder / "record.json", record(measure))


def _expansions(a: argparse.Namespace) -> None:
    from hadaptive.measure.expansions import record
    from hadaptive.records import write_json
    from hadaptive.run import ExpansionMeasure

    measure = ExpansionMeasure.model_validate_json(a.measure)
    write_json(measure.folder / "record.json", record(measure))
