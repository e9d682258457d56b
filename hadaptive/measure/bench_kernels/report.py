"""Phases against a deadline: each saves what it has, row by row, and none stops the next. And the table at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hadaptive.measure.bench_kernels.clock import why
from hadaptive.records import write_json

SAVE_EVERY_S = 1.0


@dataclass
class Report:
    """A record that grows, `budget_s` seconds at most, and lies at `path` whole at any time."""

    path: Path
    record: dict[str, Any]
    budget_s: float
    clock: Callable[[], float] = time.monotonic
    _saved: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    def save(self, at_once: bool = True) -> None:
        """Write the record, or leave it be if that was done a moment ago."""
        if at_once or self.clock() - self._saved > SAVE_EVERY_S:
            write_json(self.path, self.record)
            self._saved = self.clock()

    def phase(self, part: str, name: str, share: float, rows: Callable[[], Iterable[dict[str, Any]]]) -> None:
        """Collect the rows of a phase under record[part][name] until they end, fail or their share of the budget is up.

        A row under way is finished first. `status` says "done", "cut off after 60 s", or what failed.
        """
        began = self.clock()
        left = self._started + self.budget_s - began
        entry: dict[str, Any] = {"status": "running", "rows": []}
        self.record.setdefault(part, {})[name] = entry
        if left <= 0:
            entry["status"] = f"not begun: the {self.budget_s:.0f} s were used up"
            self.save()
            return
        end = began + min(share * self.budget_s, left)
        try:
            entry["status"] = "done"
            for row in rows():
                entry["rows"].append(row)
                self.save(at_once=False)
                if self.clock() > end:
                    entry["status"] = f"cut off after {self.clock() - began:.0f} s"
                    break
        except Exception as error:  # a result as well, and the next phase may do better
            entry["status"] = why(error)
        entry["seconds"] = round(self.clock() - began, 1)
        self.save()


def table(record: dict[str, Any]) -> str:
    """Return the record as text to read: how many times faster than native each way is, a line per row."""
    lines = [f"{name}: {value}" for name, value in record["device"].items()]
    for part in ("gpu", "cpu"):
        for name, entry in record.get(part, {}).items():
            lines += ["", f"{part} {name}: {entry['status']}", *_ratios(entry.get("rows", []))]
    return "\n".join(lines)


def _ratios(rows: list[dict[str, Any]]) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in rows for name in row.get("ways", {})))
    if names:
        yield f"  {'times faster than native':44}" + "".join(f"{name[:15]:>17}" for name in names)
    for row in rows:
        if "ways" in row:
            yield f"  {_label(row):44}" + "".join(f"{_ratio(row['ways'].get(name)):>17}" for name in names)
        elif "eager" in row:
            way = row["implementation"] + (" compiled" if row["compiled"] else "")
            times = [row[how].get("median_ms") for how in ("eager", "graph")]
            shown = "".join(f"{'-' if ms is None else f'{ms:.3f} ms':>17}" for ms in times)
            yield f"  {row['net'] + ' ' + row['layout'] + ' ' + way:44}{shown}"


def _label(row: dict[str, Any]) -> str:
    words = [row["net"].replace("hadaptive_net_", "").upper()]
    if "channels" in row:
        words[0] += f" {row['channels']}ch k{row['k']} {row['size']}px"
    words += [f"batch {row['batch']}", row.get("dtype", ""), row.get("layout", "")]
    return " ".join(word for word in words if word)


def _ratio(result: dict[str, Any] | None) -> str:
    if result is None or "times_faster" not in result:
        return "-"
    of_copy = result.get("of_copy")
    return f"{result['times_faster']:.2f}" + ("" if of_copy is None else f" ({of_copy:.0%})")
