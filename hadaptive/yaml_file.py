"""A YAML file of settings as data: bounded in size, depth and references, with the line of each key. Imports no torch.

What a file can cost is bounded before anything is built of it: a few hundred bytes of anchors can stand for a billion
values, and some loaders run expressions that stand in a file. ruamel.yaml also keeps lines, but in Python alone, and by
YAML 1.2, where `yes` is a text; the bounds, which need the parser's events and nodes, would stay as they are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError, SafeConstructor

from hadaptive.errors import UserError

MOST_BYTES = 1 << 20
MOST_DEPTH = 40  # of mappings and lists within each other; params.yaml has 8
MOST_VALUES = 100_000  # counted where they are used: what an anchor stands for counts at each of its references
# libyaml reads params.yaml in a seventh of the time that the loader in Python takes
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
UNPRINTABLE = ("Cc", "Cs", "Cn", "Zl", "Zp")  # control characters, lone surrogates, unassigned, line separators
At = tuple[str, ...]  # where in the file something stands: ("scales", "demo", "seeds", "0")


@dataclass(frozen=True)
class Document:
    """What a file holds: its values, the line of each key and list item, and the keys that repeat, with their lines."""

    values: Any
    lines: dict[At, int]
    repeated: list[tuple[str, int]]


def read(path: Path) -> Document:
    """Read a YAML file that holds one mapping. UserError for any other file, with its line where there is one."""
    text = _text(path)
    try:
        _check_depth(path, text)
        node = yaml.compose(text, Loader=LOADER)
        if node is None:
            raise UserError(f"{path} is empty; it must hold keys and values")
        _check_size(path, node)
        if not isinstance(node, yaml.MappingNode):
            kind = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
            raise UserError(f"{path}:{node.start_mark.line + 1}: the file holds {kind}; it must hold keys and values")
        values = _Values().construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else f"{path}"
        reason = _reason(error, text.split("\n")[mark.line] if mark else "")
        raise UserError(f"{where}: not valid YAML: {reason}; correct this line or the one before") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}; correct it") from None
    lines: dict[At, int] = {}
    repeated: list[tuple[str, int]] = []
    for at, line in _lines(node, ()):
        if at in lines:
            repeated.append((".".join(at), line))
        lines[at] = line
    return Document(values, lines, repeated)


def _reason(error: yaml.MarkedYAMLError, line: str) -> str:
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "the line begins with a tab; indent by spaces"
    if error.context and "single document" in error.context:
        return "a second document begins (---); keep one"
    return " ".join(f"{error.context or ''} {error.problem or ''}".split())


def _text(path: Path) -> str:
    try:
        if not path.exists():
            raise UserError(f"{path} is missing; run this from the project's folder, or `git checkout {path}`")
        if not path.is_file():
            raise UserError(f"{path} is no file; move it away, then `git checkout {path}`")
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); correct its permissions") from None
    if len(raw) > MOST_BYTES:
        raise UserError(f"{path} has more than {MOST_BYTES} bytes; settings take a few thousand")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}: not UTF-8 (byte 0x{raw[error.start]:02x}); save the file as UTF-8") from None
    if odd := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text[: odd.start()].count("\n") + 1
        raise UserError(f"{path}:{line}: holds the control character 0x{ord(odd[0]):02x}; remove it")
    return text


def _check_depth(path: Path, text: str) -> None:
    """Refuse deep nesting while the file is parsed piece by piece, before a loader recurses into it."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_DEPTH:
                assert event.start_mark is not None, "an event of a text has its place"
                line = event.start_mark.line + 1
                raise UserError(f"{path}:{line}: nested more than {MOST_DEPTH} deep; settings need no such depth")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_size(path: Path, root: yaml.Node) -> None:
    """Refuse a reference to what it lies in, and references that stand for too much.

    An anchor stands before its references, so that what a reference costs is known when it is met.
    """
    known: dict[int, tuple[int, int]] = {}  # of a node: how many values it stands for, and how deep
    under_way: set[int] = set()

    def measured(node: yaml.Node) -> tuple[int, int]:
        line = node.start_mark.line + 1
        if id(node) in under_way:
            raise UserError(f"{path}:{line}: an anchor (&) holds a reference (*) to itself; write its value out")
        if id(node) not in known:
            under_way.add(id(node))
            inner = [measured(child) for child in _inside(node)]
            under_way.discard(id(node))
            values, depth = 1 + sum(count for count, _ in inner), 1 + max((deep for _, deep in inner), default=0)
            if values > MOST_VALUES or depth > MOST_DEPTH + 1:
                much = f"more than {MOST_VALUES} values" if values > MOST_VALUES else f"a depth over {MOST_DEPTH}"
                raise UserError(f"{path}:{line}: references (*) make this {much}; write out what is meant")
            known[id(node)] = values, depth
        return known[id(node)]

    measured(root)


def _inside(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _lines(node: yaml.Node, at: At) -> Iterator[tuple[At, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*at, str(key.value))
            yield here, key.start_mark.line + 1
            yield from _lines(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            here = (*at, str(number))
            yield here, value.start_mark.line + 1
            yield from _lines(value, here)


class _Values(SafeConstructor):
    """Plain values of composed nodes. What Python refuses (a month 13, a number of 5,000 digits) gets its line."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except yaml.YAMLError:
            raise
        except Exception as error:  # what stands in a file can make a constructor raise almost anything
            raise ConstructorError(None, None, str(error), node.start_mark) from None


def odd_text(text: str, most: int) -> str | None:
    """Return what makes a text useless as a name or label, in words; None where nothing does.

    Braces: Snakemake takes `{name}` for a wildcard, also within a label.
    """
    if len(text) > most:
        return f"{len(text)} characters are too long; use at most {most}"
    if "{" in text or "}" in text:
        return "braces are not allowed in a text; write it without { and }"
    if not text.isprintable() and any(unicodedata.category(letter) in UNPRINTABLE for letter in text):
        return "a text is one line of printable characters; remove line breaks and control characters"
    return None
