"""Damaged records, and records whose numbers were edited by hand: the first are errors, the second are marked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hadaptive import record
from hadaptive.errors import UserError
from tests.reliability.attack import Attack

COMMITTED = Path(__file__).resolve().parents[2] / "results/reference/cpu"
TRAINED = "cifar100/hadaptive_net_s/dysoft/seed0"
IDS = {  # a committed record of each kind, and a table that shows it
    "training": (TRAINED, "table7"),
    "complexity": ("complexity/hadaptive_net_s/dysoft", "table7"),
    "latency": ("latency/hadaptive_net_s/dysoft", "table7"),
    "structure": ("structure/hadaptive_net_s/dysoft", "table9"),
    "search": ("search/table11/seed0", "table11"),
    "variance": ("variance", ""),
    "expansions": ("expansions", ""),
}


@dataclass(frozen=True)
class Damage:
    """A change of a record's bytes that makes it unusable."""

    kind: str
    name: str
    apply: Callable[[bytes], bytes]


def at(kind: str, path: str, *values: Any) -> Iterator[Damage]:
    """Put values at a dotted path, numbers among lists."""
    for value in values:
        yield Damage(kind, f"{path} = {repr(value)[:40]}", lambda text, value=value: changed(text, path, value))


def changed(text: bytes, path: str, value: Any) -> bytes:
    fields = json.loads(text)
    *names, last = (int(part) if part.isdecimal() and path[0] != "@" else part for part in path.split("."))
    place = fields
    for name in names:
        place = place[name]
    assert place[last] != value or type(place[last]) is not type(value), path
    place[last] = value
    return json.dumps(fields).encode()


def without(kind: str, path: str) -> Damage:
    def apply(text: bytes) -> bytes:
        fields = json.loads(text)
        *names, last = path.split(".")
        place = fields
        for name in names:
            place = place[int(name) if isinstance(place, list) else name]
        del place[last]
        return json.dumps(fields).encode()

    return Damage(kind, f"no {path}", apply)


def literal(name: str, text: str) -> Damage:
    """What JSON's writers never write in the place of a number."""
    return Damage("training", name, lambda old: old.replace(b'"schema": 1', b'"schema": 1, "more": ' + text.encode()))


LARGE = "x" * 100_000
DAMAGES = [
    *(
        Damage("training", name, apply)
        for name, apply in {
            "empty": lambda _: b"",
            "white space": lambda _: b" \n",
            "cut in half": lambda text: text[: len(text) // 2],
            "last bracket gone": lambda text: text.rstrip()[:-1],
            "a list": lambda _: b"[]",
            "a list of it": lambda text: b"[" + text + b"]",
            "null": lambda _: b"null",
            "a number": lambda _: b"71.2",
            "a string": lambda _: b'"done"',
            "an empty object": lambda _: b"{}",
            "twice": lambda text: text + text,
            "something behind it": lambda text: text + b"x",
            "single quotes": lambda text: text.replace(b'"', b"'"),
            "not UTF-8": lambda text: text.replace(b'"done"', b'"d\xffne"'),
            "UTF-16": lambda text: text.decode().encode("utf-16"),
            "a byte order mark": lambda text: b"\xef\xbb\xbf" + text,
            "zeros": lambda text: bytes(len(text)),
            "a merge conflict": lambda text: b"<<<<<<< HEAD\n" + text,
            "nested too deeply": lambda _: b"[" * 200_000,
            "nested too deeply inside": lambda _: b'{"schema": 1, "more": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
            "half a character": lambda text: text.replace(b'"done"', b'"d\\ud800ne"'),
        }.items()
    ),
    literal("NaN", "NaN"),
    literal("Infinity", "-Infinity"),
    literal("1e999", "1e999"),
    literal("10**400", "1" + "0" * 400),
    literal("10**5000", "1" + "0" * 5000),
    *at("training", "schema", None, "1", 0, [], 1.5),
    *at("training", "id", None, 7, "cifar100/other/base/seed0", "", LARGE),
    *at("training", "scale", None, []),
    *at("training", "kind", None, "latency", "weather", 3),
    *at("training", "status", None, 5, [], {}, LARGE),
    *at("training", "run", None, [], "run", {}),
    *at("training", "run.seed", -1, "0", None, 1.5, True),
    *at("training", "run.task", None, "coco", "weather", []),
    *at("training", "run.recipe", None, []),
    *at("training", "run.recipe.epochs", 0, "6", -3),
    *at("training", "metrics", None, [], 3, "none"),
    *at("training", "metrics.top1_last", 1000, -1, "71", True, [], {}, 100.1),
    *at("training", "metrics.top5_last", -0.5),
    *at("training", "metrics.best_epoch", -1, 1.5),
    *at("training", "metrics.loss_last", -1, "low"),
    *at("training", "curve", None, {}, "curve", [None], [1], [[]], [{}]),
    *at("training", "curve.0.test_top1", 101, "12"),
    *at("training", "curve.0.test_loss", -1, "x", []),
    *at("training", "curve.0.epoch", 0, -1, "1"),
    without("training", "curve.0.test_loss"),
    *at("training", "environment", None, [], "here"),
    *at("training", "environment.cores", -1, "2"),
    *at("training", "environment.packages", None, ["torch"], {"torch": 2}),
    *at("training", "environment.git_dirty", "no", []),
    *at("training", "environment.device", 3),
    *at("training", "data", None, []),
    *at("training", "data.test_examples", -5, "10000", 0.5),
    *at("training", "checkpoints", None, [], {"last": None}),
    *at("training", "checkpoints.last.sha256", "zz", None, 5),
    *at("training", "wall_s", -1, "long", []),
    *at("training", "peak_memory_bytes", -1, 0.5, "much"),
    *at("training", "examples_per_s", -2, "fast"),
    *at("training", "model", None, [], {"parameters": -1}),
    *at("training", "finished", 3),
    *at("complexity", "metrics.parameters", -1, 1.5, None, "many"),
    *at("complexity", "metrics.macs", -1, None, True),
    *at("complexity", "metrics.macs_thop", -1, "x"),
    *at("complexity", "model", None),
    without("complexity", "metrics.macs"),
    *at("latency", "metrics.cpu.median_ms", -1, None, "fast", 1e300),
    *at("latency", "metrics.cpu.iqr_ms", -1),
    *at("latency", "metrics.cpu", 3, "fast", []),
    *at("latency", "metrics.cpu.status", None, 3),
    *at("latency", "kind", "complexity"),
    *at("structure", "metrics.layers", None, [], {}),
    *at("structure", "metrics.layers.0.in", "3", 0, None),
    *at("structure", "metrics.layers.4.module", "XX", "FN", None),
    *at("structure", "metrics.layers.4.expansion", None, {}, {"kind": "ACH"}),
    *at("structure", "metrics.layers.2.layer", 7),
    *at("structure", "settings", None, {}),
    *at("search", "metrics.confidence", None, {}),
    *at("search", "metrics.chosen", None, ["one"]),
    *at("search", "run.space", None, {}),
    *at("search", "run.space.layers", []),
    *at("search", "curve.0.confidence", None, {}),
    *at("search", "curve", []),
    *at("variance", "metrics.formula", [], None),
    *at("variance", "metrics.formula.0.standard_error", 0, -1),
    *at("variance", "metrics.bound", [], None),
    *at("expansions", "metrics.channels", [], None),
    *at("expansions", "metrics.channels.0.ach", None, {}),
    *at("expansions", "metrics.ratios.0.pointwise.n", 0),
    *at("expansions", "settings.image_size", 0, None),
]


def numbers(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the numbers of a record are; of a list its first three entries."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for name, each in inner:
        yield from numbers(each, (*path, name))


def damaged(damage: Damage) -> Callable[[Path], None]:
    def strike(folder: Path) -> None:
        path = folder / "record.json"
        path.write_bytes(damage.apply((COMMITTED / IDS[damage.kind][0] / "record.json").read_bytes()))
        record.read(path)

    return strike


def edited(kind: str, place: tuple[Any, ...]) -> Callable[[Path], None]:
    """Change one number, an integer by 1, any other by a quarter."""

    def strike(folder: Path) -> None:
        fields = json.loads((COMMITTED / IDS[kind][0] / "record.json").read_text())
        inner = fields
        for name in place[:-1]:
            inner = inner[name]
        value = inner[place[-1]]
        inner[place[-1]] = value + (1 if isinstance(value, int) else 0.25)
        path = folder / "record.json"
        path.write_text(json.dumps(fields))
        if record.read(path).edited:  # every table, page and verb marks it: tests/test_record.py
            raise UserError("edited by hand")

    return strike


def _edits() -> Iterator[Attack]:
    for kind, (record_id, _) in IDS.items():
        fields = json.loads((COMMITTED / record_id / "record.json").read_text())
        for place in numbers({part: fields[part] for part in ("metrics", "curve") if part in fields}):
            yield Attack(
                f"{kind}: {'.'.join(map(str, place))} edited", edited(kind, place), r"edited by hand|record damaged"
            )


ATTACKS = [
    *(Attack(f"{each.kind}: {each.name}", damaged(each), r"^record damaged: ") for each in DAMAGES),
    *_edits(),
]
