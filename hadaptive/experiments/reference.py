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
    """Ids of those whose record under `root` has their settings; none with `reference: false`.

    A record with other settings is passed over: change one number in params.yaml and its Runs are run.
    """
    if not params.reference or not (root / params.scale).is_dir():
        return frozenset()
    return frozenset(each.id for each in executed if _same(each, root / each.scale / each.id / "record.json"))


def keep(params: Params, executed: Iterable[Executed], root: Path = Path("results")) -> list[Path]:
    """Copy the finished records of the chosen scale to where `usable` finds them; returns their new paths.

    Left out are those not done, and those made with other settings than params.yaml has now.
    """
    kept = []
    for each in executed:
        made, path = each.folder / "record.json", root / REFERENCE / each.scale / each.id / "record.json"
        if _same(each, made) and read_json(made)["status"] == "done":
            write_json(path, read_json(made))
            kept.append(path)
    return kept


def _same(executed: Executed, path: Path) -> bool:
    if not path.exists():
        return False
    record, asked = read_json(path), json.loads(executed.dumps())
    return bool(asked_of(record, asked) == asked)


def asked_of(record: dict[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """The settings a record was made with: a training's are its Run, a measure's stand among its own fields."""
    settings = record.get("run", record)
    return {name: settings.get(name) for name in fields}
