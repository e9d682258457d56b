"""Records for tests: what every record has is filled in, and written with its checksum or without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hadaptive import record
from hadaptive.record.kinds import MEASURES

KINDS = {name.split("/")[0] for name in MEASURES}


def completed(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record with those added that its id tells: kind, model, variant, or the Run."""
    first, *rest = fields["id"].split("/")
    if first in KINDS:
        named = dict(zip(("model", "variant"), rest, strict=True)) if len(rest) == 2 else {}
        return {"schema": 1, "status": "done", "kind": first, **named, **fields}
    *model, variant, seed = rest
    run = {
        "task": first,
        "model": model[0] if model else "hadaptive_net",
        "variant": variant,
        "dataset": "digits",
        "seed": int(seed.removeprefix("seed")),
        "options": {},
        "recipe": {},
    }
    return {"schema": 1, "status": "done", "kind": "training", **fields, "run": {**run, **fields.get("run", {})}}


def put(root: Path, fields: dict[str, Any]) -> Path:
    """Write a record below root/<scale>/<id>, completed and without a checksum; returns its path."""
    path = root / fields["scale"] / fields["id"] / "record.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(completed(fields)))
    return path


def put_sealed(root: Path, fields: dict[str, Any]) -> Path:
    """Write a record below root/<scale>/<id>, completed and with its checksum; returns its path."""
    path = root / fields["scale"] / fields["id"] / "record.json"
    record.write(path, completed(fields))
    return path
