"""What verbs share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hadaptive.errors import UserError

Verb = Callable[[str, Any, str], argparse.ArgumentParser]  # adds a verb: its name, its function, what it does


def params(a: argparse.Namespace) -> Any:
    from hadaptive.config import check, load

    params = load()
    if a.scale:
        return check({**params.model_dump(mode="json"), "scale": a.scale})
    return params


def prepared(dataset: str) -> Path:
    data = Path("data/prepared", dataset)
    if not (data / "manifest.json").exists():
        raise UserError(f"{data} is not prepared; run `hadaptive data {dataset}` first")
    return data
