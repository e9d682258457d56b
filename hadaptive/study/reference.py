"""Records that came with the project, taken where they were made with the settings asked for. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hadaptive.config import Params
from hadaptive.paper.spec import REFERENCE
from hadaptive.records import read_json, write_json
from hadaptive.run import Executed


def usable(params: Params, executed: Iterable[Executed], root: Path = Path("results", REFERENCE)) -> frozenset[str]:
    """Ids of those whose record under `root` has their settings; none with `reference: never`.

    A record with other settings is passed over: change one number in params.yaml and its Runs are run.
    """
    if params.takes == "never" or not (root / params.scale).is_dir():
        return frozenset()
    same = [each for each in executed if _same(each, root / each.scale / each.id / "record.json")]
    ids = {each.id for each in same}
    return frozenset(each.id for each in same if ids.issuperset(_found_by(each)))  # a net's searches are its settings


def keep(params: Params, executed: Iterable[Executed], root: Path = Path("results")) -> list[Path]:
    """Copy the finished records of the chosen scale to where `usable` finds them; returns their new paths.

    Left out are those made with other settings than params.yaml has now. What diverged, or had no device to be measured
    on, is kept: its record says why its cells are empty.
    """
    kept = []
    for each in executed:
        made, path = each.folder / "record.json", root / REFERENCE / each.scale / each.id / "record.json"
        if _same(each, made):
            write_json(path, read_json(made))
            kept.append(path)
    return kept


def _same(executed: Executed, path: Path) -> bool:
    if not path.exists():
        return False
    record, asked = read_json(path), json.loads(executed.dumps())
    made = asked_of(record, asked)
    if _found_by(executed):  # the rows that were found are in the record alone
        made["options"] = {name: value for name, value in made["options"].items() if name != "rows"}
    return bool(made == asked)


def _found_by(executed: Executed) -> list[str]:
    """The searches whose net it is of."""
    return list(getattr(executed, "options", {}).get("found_by", ()))


def asked_of(record: dict[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """The settings a record was made with: a training's are its Run, a measure's stand among its own fields."""
    settings = record.get("run", record)
    return {name: settings.get(name) for name in fields}
