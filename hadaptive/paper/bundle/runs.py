"""A record made lean for the page: names and words in pairs, curves of few points, what many share held once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard

from hadaptive.paper.bundle.provenance import MEANS, Evidence, machine
from hadaptive.record import EDITED, Record, TrainingRecord
from hadaptive.units import measured_duration

POINTS = 50  # drawn of each curve; the page has no room to show more
METRICS = 40  # of a record; the rest is in the record itself
PLOTS = 3
NOT_DRAWN = {"epoch", "lr", "seconds", "examples_per_s"}
Pairs = list[tuple[str, str]]


class Shared:
    """Values held once and referred to by number."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[str, int] = {}

    def number(self, value: Any) -> int:
        key = json.dumps(value)
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(value)
        return self._numbers[key]


def lean(found: Evidence, held: Shared, environments: Shared) -> dict[str, Any]:
    """What the page says of a record. Recipes and the epochs of curves are in `held`."""
    record = found.record
    entry: dict[str, Any] = {
        "id": found.id,
        "path": found.path.as_posix(),
        "status": found.status,
        "seal": found.seal,
        "means": MEANS[found.seal],
        "edited": found.seal == EDITED,
        "facts": [*(facts(record) if record else []), *([("Origin", "reference record")] if found.reference else [])],
    }
    if record:
        metrics = flat(record.at("metrics"))
        more = len(metrics) - METRICS
        entry["metrics"] = metrics[:METRICS] + ([("…", f"{more} more in the record")] if more > 0 else [])
        entry["recipe"] = held.number(recipe(record))
        entry["environment"] = environments.number(environment(record))
        epochs, entry["plots"] = plots(record.at("curve"))
        entry["epochs"] = held.number(epochs)
        entry["checks"] = checks(record)
    return entry


def facts(record: Record) -> Pairs:
    """Seed, cost and where it ran."""
    ran, trained = record.environment, record if isinstance(record, TrainingRecord) else None
    wall_s = trained.wall_s if trained else None
    fields = {
        "Seed": trained and trained.run.seed,
        "Device": machine(ran),
        "Threads": ran.threads,
        "Time": wall_s if wall_s is None else measured_duration(wall_s),
        "Peak memory": trained and _number(trained.peak_memory_bytes, 2**30, "GiB"),
        "Throughput": trained and _number(trained.examples_per_s, 1, "examples/s"),
        "Finished": record.finished,
    }
    return [(name, str(value)) for name, value in fields.items() if value not in (None, "")]


def recipe(record: Record) -> Pairs:
    """Everything that was set: the Run's settings, or the measure's."""
    given = record.made_with
    if not isinstance(record, TrainingRecord):
        given = {name: given[name] for name in ("options", "settings") if given.get(name)}
    return flat({name: value for name, value in given.items() if name not in ("scale", "seed", "task")})


def environment(record: Record) -> Pairs:
    """Machine, versions, commit."""
    ran = record.environment
    fields = {
        "Device": machine(ran),
        "Cores": ran.cores,
        "System": ran.system,
        "Python": ran.python,
        **ran.packages,
        "Commit": ran.git_commit,
        "Uncommitted changes": None if ran.git_dirty is None else "yes" if ran.git_dirty else "no",
    }
    return [(name, str(value)) for name, value in fields.items() if value is not None]


def checks(record: Record) -> Pairs:
    """Checksums of the record, of what it left and of what it read, and the identity of the code."""
    fields = {"Record": record.sha256 or "none"}
    if isinstance(record, TrainingRecord):
        fields |= {f"{name}.pt": each.sha256 for name, each in record.checkpoints.items()}
        fields |= {"Data": record.data.sha256} if record.data.sha256 else {}
    fields |= {"Code": record.code} if record.code else {}
    return list(fields.items())


def plots(entries: object) -> tuple[list[float], list[dict[str, Any]]]:
    """A curve as epochs and a few plots with a line for each split: {"title": "loss", "lines": [["train", [...]]]}."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return [], []
    kept = _few(entries)
    found: dict[str, list[tuple[str, list[float | None]]]] = {}
    for name in dict.fromkeys(key for entry in kept for key in entry):
        values = [_drawn(entry.get(name)) for entry in kept]
        if name not in NOT_DRAWN and any(value is not None for value in values):
            split, _, what = name.partition("_")
            what, split = (what, split) if what else (name, "")
            found.setdefault(what, []).append((split, values))
    epochs = [_drawn(entry.get("epoch")) or n for n, entry in enumerate(kept, 1)]
    return epochs, [{"title": what, "lines": lines} for what, lines in list(found.items())[:PLOTS]]


def _few(entries: Sequence[Any]) -> list[Any]:
    """The first, the last, and evenly between them."""
    last = len(entries) - 1
    return list(entries) if last < POINTS else [entries[round(n * last / (POINTS - 1))] for n in range(POINTS)]


def _drawn(value: object) -> float | None:
    rounded = float(f"{value:.4g}") if _finite(value) else None
    return int(rounded) if rounded is not None and rounded.is_integer() and rounded < 1e6 else rounded


def flat(value: object) -> Pairs:
    """A nested mapping as pairs of dotted name and text; lists stay together, cut where long."""
    return list(_flat(value, ()))


def _flat(value: object, at: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, (*at, str(name)))
    elif at:
        text = _text(value)
        yield ".".join(at), text if len(text) <= 160 else f"{text[:159]}…"


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: object, per: float, unit: str) -> str:
    return f"{value / per:.3g} {unit}" if _finite(value) else ""


def _finite(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def version_words(pairs: Sequence[tuple[str, str]]) -> str:
    """A commit cut to what tells it apart."""
    return re.sub(r"^([0-9a-f]{10})[0-9a-f]{30}$", r"\1", dict(pairs).get("Commit", "not in a checkout"))
