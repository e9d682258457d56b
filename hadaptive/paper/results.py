"""The results as one tidy table (pandas): a row for each record and each number among its metrics.

Every table of the paper is a group-by of it over seeds. The package imports this module, and pandas with it, only where
something is rendered.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hadaptive.paper.cells import Cell, Remark, look_up, read_record
from hadaptive.record import EDITED, Record, find

COLUMNS = (
    "id", "scale", "task", "model", "variant", "seed", "metric", "value", "status", "device", "provenance", "checksum",
    "commit",
)  # fmt: skip
DRAWN = "samples"  # boxes on images: no metrics
REFERENCE, HERE = "reference record", "made here"


def tidy(paths: Mapping[str, Path], scale: str, reference: Container[str] = ()) -> pd.DataFrame:
    """The metrics of the records at `paths`, by id, in long form; `reference` names the reference records.

    Columns: `id` of the record; scale; `task`, or the kind of a measure; model; variant; seed; `metric`, a dotted path
    in the record's metrics, "" where a row is on the record as a whole; `value`, NaN where there is none; `status`,
    "done" or why there is no value; device; `provenance`, HERE or REFERENCE; `checksum`, whether the record was edited
    by hand; `commit` of the code that made it. A record that cannot be used is one row, which says why.
    """
    rows: list[tuple[object, ...]] = []
    for record_id, path in paths.items():
        made, usable = find(path), read_record(path, record_id, scale, Record)
        ran = made.environment if isinstance(made, Record) else None
        about = (
            (ran.device or ran.processor) if ran else None,
            REFERENCE if record_id in reference else HERE,
            made.seal if isinstance(made, Record) else None,
            ran.git_commit if ran else None,
        )
        rows += [(record_id, scale, *_named(record_id), *number, *about) for number in _numbers(usable)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"seed": "Int64", "value": "float64"})


def _numbers(record: Record | Remark) -> Iterator[tuple[str, float | None, str]]:
    """Metric, value and status of every number; of a record that cannot be used, or has none, one row."""
    for metric in (list(_paths(record.at("metrics"))) if isinstance(record, Record) else []) or [""]:
        number = look_up(record, metric)
        yield (metric, None, number.text) if isinstance(number, Remark) else (metric, number, "done")


def _named(record_id: str) -> tuple[str, str | None, str | None, int | None]:
    """Task or kind, model, variant (or name) and seed, as they stand in an id."""
    task, *rest = record_id.split("/")
    seed = int(rest.pop().removeprefix("seed")) if rest and rest[-1].startswith("seed") else None
    model = rest.pop(0) if len(rest) == 2 else None
    return task, model, rest[0] if rest else None, seed


def _paths(value: Any, at: str = "") -> Iterator[str]:
    """The dotted path of every number, and of every part that has a reason in its place; words are left out."""
    if isinstance(value, list):
        value = {str(n): inner for n, inner in enumerate(value) if isinstance(inner, Mapping)}
    if isinstance(value, Mapping):
        if at and value.get("status", "done") != "done":
            yield at
            return
        for name, inner in value.items():
            if not (name == DRAWN and isinstance(inner, list)):
                yield from _paths(inner, f"{at}.{name}" if at else str(name))
    elif value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        yield at


def aggregate(results: pd.DataFrame, *by: str) -> dict[tuple[Any, ...], Cell]:
    """One cell for each group of results: mean and sample deviation over those that have a value.

    Columns: those of `by`, and `id`, `seed`, `value`, `status` and `checksum` as `tidy` has them. Results without a
    value are counted out and named in the cell's remark.
    """
    first = results.groupby(list(by), sort=False)["value"].transform("first")
    # deviations from the first result are exact, and so is what is computed of them where all lie near 100%
    shifted = results.assign(edited=results["checksum"] == EDITED, shifted=results["value"] - first)
    numbers = shifted.groupby(list(by), sort=False).agg(
        mean=("value", "mean"),
        std=("shifted", "std"),
        count=("value", "count"),
        edited=("edited", "any"),
        records=("id", tuple),
    )
    reasons: dict[tuple[Any, ...], list[tuple[Any, Remark]]] = {}
    for *key, seed, status in results.loc[results["value"].isna(), [*by, "seed", "status"]].itertuples(False, None):
        reasons.setdefault(tuple(key), []).append((seed, Remark.of(status)))
    cells = {}
    for key, mean, std, count, edited, records in numbers.itertuples(name=None):
        key = key if isinstance(key, tuple) else (key,)
        remark = _remark(reasons[key], count, len(records)) if key in reasons else None
        value, deviation = (float(mean) if count else None), (float(std) if count > 1 else None)
        cells[key] = Cell(value, deviation, int(count), remark, records=records, edited=bool(edited))
    return cells


def _remark(reasons: Sequence[tuple[Any, Remark]], count: int, seeds: int) -> Remark:
    """Why there is no value, or why not every seed has one."""
    if count:
        why = "; ".join(f"seed {seed}: {remark.text}" for seed, remark in reasons)
        return Remark("not every seed finished", f"{count} of {seeds} seeds, {why}")
    kinds, texts = (dict.fromkeys(parts) for parts in zip(*((r.kind, r.text) for _, r in reasons), strict=True))
    return Remark("; ".join(kinds), "; ".join(texts))
