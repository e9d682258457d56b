"""Reference records: used where they were made with the settings asked for. Imports no torch."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from hadaptive.config import Params
from hadaptive.paper.spec import REFERENCE
from hadaptive.record import Damaged, Missing, Record, find
from hadaptive.records import atomic
from hadaptive.run import Executed


def usable(params: Params, executed: Iterable[Executed], root: Path = Path("results", REFERENCE)) -> frozenset[str]:
    """Ids of those whose record under `root` has their settings; none with `reference: never`.

    A record with other settings is passed over: change one number in params.yaml and its Runs are run. A damaged one is
    taken, as nobody can tell its settings: its cells say that it is damaged, and no training replaces it unasked.
    """
    if params.takes == "never" or not (root / params.scale).is_dir():
        return frozenset()
    records = [(run, find(root / run.scale / run.id / "record.json")) for run in executed]
    same = [run for run, record in records if isinstance(record, Damaged) or same_settings(run, record)]
    ids = {run.id for run in same}
    return frozenset(run.id for run in same if ids.issuperset(_found_by(run)))  # a model's searches are its settings


def keep(params: Params, executed: Iterable[Executed], root: Path = Path("results")) -> list[Path]:
    """Copy the finished records of the chosen scale to where `usable` finds them; returns their new paths.

    Left out are those made with other settings than params.yaml has now. What diverged, or had no device to be measured
    on, is kept: its record says why its cells are empty.
    """
    kept = []
    for run in executed:
        made, path = run.folder / "record.json", root / REFERENCE / run.scale / run.id / "record.json"
        record = find(made)
        if isinstance(record, Damaged):
            print(f"not kept: {record}", file=sys.stderr)
        elif same_settings(run, record):
            with atomic(path) as temporary:
                shutil.copyfile(made, temporary)
            kept.append(path)
    return kept


def same_settings(executed: Executed, record: Record | Damaged | Missing) -> bool:
    """Return whether a record was made with the settings that are asked for."""
    if not isinstance(record, Record):
        return False
    asked: dict[str, object] = json.loads(executed.dumps())
    made: dict[str, object] = {name: record.made_with.get(name) for name in asked}
    if _found_by(executed) and isinstance(options := made["options"], dict):  # what was found is in the record alone
        made["options"] = {name: value for name, value in options.items() if name != "rows"}
    return made == asked


def _found_by(executed: Executed) -> list[str]:
    """Return the searches whose model it is of."""
    return list(getattr(executed, "options", {}).get("found_by", ()))
