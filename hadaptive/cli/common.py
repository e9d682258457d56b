"""What verbs share."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hadaptive.errors import UserError

if TYPE_CHECKING:
    from hadaptive.study import Study

Verb = Callable[[str, Any, str], argparse.ArgumentParser]  # adds a verb: its name, its function, what it does


def content(path: str) -> str:
    """The text of the file at `path`: argparse's type of an argument that may be too long for a command."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise argparse.ArgumentTypeError(f"cannot read {path[:200]}: {error}") from None


def params(a: argparse.Namespace) -> Any:
    from hadaptive.config import load

    return load(given={"scale": a.scale} if a.scale else {})


def rendered_scale() -> str | None:
    """The scale that paper_tables/ shows, as Snakemake's stamp has it; None where nothing was rendered."""
    stamp = Path(".snakemake/scale")
    return stamp.read_text(encoding="utf-8").strip() or None if stamp.is_file() else None


def study(a: argparse.Namespace) -> Study:
    """The study of `--params`, where a verb has it, otherwise of params.yaml; at `--scale`."""
    from hadaptive.config import check
    from hadaptive.study import Study

    given = getattr(a, "params", None)
    return Study(check(json.loads(given)) if given else params(a))


def prepared(dataset: str) -> Path:
    data = Path("data/prepared", dataset)
    if not (data / "manifest.json").exists():
        raise UserError(f"{data} is not prepared; run `hadaptive data {dataset}` first")
    return data
