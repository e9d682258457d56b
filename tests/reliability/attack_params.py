"""Files in the place of params.yaml that are no YAML, cost too much to read, or hold values that cannot work.

Each must be refused with one message that names the file, the line where there is one, and the key, soon.
"""

from __future__ import annotations

import codecs
import copy
import math
import re
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from hadaptive import config, yaml_file
from hadaptive.recipes import DetectionRecipe, Recipe, SearchRecipe, TextRecipe
from hadaptive.settings import _numbers_only
from tests.reliability.attack import Attack

SLOWEST = 200  # times as long as reading the file as it is; 10,000 keys take 20 times, a bomb without a guard minutes
TEXT = (Path(__file__).resolve().parents[2] / "params.yaml").read_text(encoding="utf-8")
VALUES = yaml.load(TEXT, Loader=yaml_file.LOADER)
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
LINE = r"params\.yaml:\d+: "
Change = Callable[[str], str | bytes]


def loaded(change: Change) -> Callable[[Path], None]:
    """Load the project's parameters after `change`."""

    def strike(folder: Path) -> None:
        path, content = folder / "params.yaml", change(TEXT)
        path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
        config.load(path)

    return strike


def most_cpu_s(folder: Path) -> float:
    """Seconds of processor time within which each must be refused, on the machine that asks, as busy as it is."""
    spent = []
    for _ in range(3):
        started = time.process_time()
        loaded(lambda text: text)(folder)
        spent.append(time.process_time() - started)
    return SLOWEST * statistics.median(spent)


def whole(content: str | bytes) -> Change:
    return lambda text: content


def before(content: str) -> Change:
    return lambda text: content + text


def swap(old: str, new: str) -> Change:
    def change(text: str) -> str:
        assert old in text, f"the attack's premise is gone: {old!r} is not in params.yaml"
        return text.replace(old, new, 1)

    return change


def put(at: str, value: Any) -> Change:
    """Set the value at a place such as `scales.demo.seeds`; the file is written anew."""

    def change(text: str) -> str:
        values = copy.deepcopy(VALUES) if text == TEXT else yaml.load(text, Loader=yaml_file.LOADER)
        *parents, key = at.split(".")
        node = values
        for part in parents:
            node = node.setdefault(part, {})
        node[key] = value
        return yaml.dump(values, Dumper=DUMPER, sort_keys=False, allow_unicode=True)

    return change


def bomb(levels: int, wide: int) -> str:
    """Anchors that stand for wide ** levels values."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * wide)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def merged_bomb(levels: int, wide: int) -> str:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * wide)}]}}" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


LONG = "a" * 300
FILES: list[tuple[str, Change, str]] = [
    ("empty", whole(""), "is empty"),
    ("a comment", whole("# nothing\n"), "is empty"),
    ("one null", whole("null\n"), "single value"),
    ("a list", whole("- scale: demo\n"), f"{LINE}.*holds a list"),
    ("a word", whole("demo\n"), f"{LINE}.*holds a single value"),
    ("another document", lambda t: t + "\n---\nscale: cpu\n", f"{LINE}.*second document"),
    ("a tab", swap("\nscales:\n  demo:", "\nscales:\n\tdemo:"), f"{LINE}.*begins with a tab"),
    ("NUL", swap("scale: demo", "scale: de\0mo"), f"{LINE}.*control character 0x00"),
    ("a bell", swap("scale: demo", "scale: de\amo"), f"{LINE}.*control character 0x07"),
    ("NUL within quotes", swap("label: StarNet-S1,", r'label: "a\0b",'), f"{LINE}zoo.starnet_s1.label.*printable"),
    ("a line break in a label", swap("label: StarNet-S1,", r'label: "a\nb",'), f"{LINE}zoo.starnet_s1.label.*one line"),
    ("half a character", swap("label: StarNet-S1,", r'label: "\ud800",'), LINE),
    ("UTF-16", lambda t: codecs.BOM_UTF16_LE + t.encode("utf-16-le"), "not UTF-8"),
    (
        "Latin-1",
        lambda t: t.replace("scale: demo", "scale: demo # Köln").encode("latin-1", "replace"),
        f"{LINE}not UTF-8",
    ),
    ("random bytes", whole(bytes(range(256))), "not UTF-8|control character"),
    ("2 MB", lambda t: t + "#" * (2 << 20), "more than 1048576 bytes"),
    ("an open bracket", swap("scale: demo", "scale: [demo"), f"{LINE}.*not valid YAML"),
    ("an open quote", swap("scale: demo", 'scale: "demo'), f"{LINE}.*not valid YAML"),
    ("wrong indentation", swap("\nscale: demo", "\n   scale: demo\n x: 1"), f"{LINE}.*not valid YAML"),
    ("an unknown reference", before("x: *nowhere\n"), f"{LINE}.*not valid YAML: .*alias"),
    ("a reference to itself", before("x: &x [*x]\n"), f"{LINE}an anchor .* to itself"),
    ("a mapping in itself", before("x: &x {y: *x}\n"), f"{LINE}an anchor .* to itself"),
    ("a merge of itself", before("x: &x {<<: *x}\n"), f"{LINE}an anchor .* to itself"),
    ("a bomb", before(bomb(10, 10)), f"{LINE}references .* more than 100000 values"),
    ("a tall bomb", before(bomb(30, 2)), f"{LINE}references .* make this"),
    ("a bomb of merges", before(merged_bomb(9, 9)), f"{LINE}references .* make this"),
    ("a chain of anchors", before(bomb(5000, 1)), f"{LINE}references .* a depth over 40"),
    ("deep lists", before(f"x: {'[' * 50_000}\n"), f"{LINE}nested more than 40 deep"),
    ("deep mappings", before(f"x: {'{a: ' * 50_000}\n"), f"{LINE}nested more than 40 deep"),
    ("deep indentation", before("x:\n" + "".join(" " * n + "a:\n" for n in range(1, 500))), f"{LINE}nested more than"),
    ("a closed deep list", before(f"x: {'[' * 60}{']' * 60}\n"), f"{LINE}nested more than 40 deep"),
    ("many keys", before("".join(f"k{n}: 1\n" for n in range(10_000))), "(?s)unknown key 'k.*more$"),
    (
        "code in a tag",
        before("x: !!python/object/apply:os.system [echo]\n"),
        f"{LINE}.*could not determine a constructor",
    ),
    ("an unknown tag", before("x: !mine 1\n"), f"{LINE}.*could not determine a constructor"),
    ("expressions", before('__use_yte__: true\nx: ?open("/etc/passwd").read()\n'), f"{LINE}__use_yte__ would run"),
    ("expressions switched off", before("__use_yte__: false\n"), f"{LINE}__use_yte__ would run"),
    ("a repeated key", before("scale: cpu\n"), f"{LINE}key 'scale' is there twice"),
    ("a list as a key", before("? [a]\n: 1\n"), f"{LINE}.*not valid YAML"),
    ("month 13", before("x: 2026-13-45\n"), f"{LINE}.*month must be in 1..12"),
    ("a number of 5,000 digits", before(f"x: {'9' * 5000}\n"), f"{LINE}.*integer string conversion"),
    ("a set", before("x: !!set {a, b}\n"), "unknown key 'x'"),
    ("binary", before("x: !!binary aGk=\n"), "unknown key 'x'"),
    ("a number as a key", before("7: x\n"), "7"),
    ("null as a key", before("null: x\n"), "params"),
    ("a key of 300 characters", before(f"{LONG}: 1\n"), f"{LINE}.*300 characters are too long"),
    (
        "a model's name of 300 characters",
        swap("  starnet_s1: {", f"  {LONG}: {{"),
        f"{LINE}.*300 characters are too long",
    ),
    ("a label of 300 characters", swap("label: StarNet-S1,", f"label: {LONG},"), f"{LINE}zoo.starnet_s1.label"),
    ("an empty label", swap("label: StarNet-S1,", 'label: "",'), f"{LINE}zoo.starnet_s1.label"),
    ("a wildcard in a label", swap("label: StarNet-S1,", 'label: "{x}",'), f"{LINE}zoo.starnet_s1.label: braces"),
    ("a brace in a key", before('"{run}": 1\n'), f"{LINE}.*braces"),
    (
        "a wildcard in an option",
        swap("options: {norm: dysig}", 'options: {norm: "{x}"}'),
        f"{LINE}variants.dysig.options",
    ),
    ("a path in a scale's name", swap("scale: demo", "scale: ../../etc"), f"{LINE}scale: "),
    ("a shell's words in a name", swap("scale: demo", 'scale: "$(id)"'), f"{LINE}scale: "),
    (
        "sentences for an image task",
        put("scales.demo.tasks.cifar100.dataset", "sst2"),
        f"{LINE}.*dataset: sst2 holds sentences",
    ),
    (
        "images for a text task",
        put("scales.demo.tasks.sst2.dataset", "digits"),
        f"{LINE}.*digits holds images",
    ),
    (
        "images without boxes",
        put("scales.demo.tasks.coco.dataset", "digits"),
        f"{LINE}.*not images with boxes",
    ),
    (
        "boxes to search on",
        put("scales.demo.tasks.search.dataset", "shapes"),
        f"{LINE}.*shapes holds images with boxes",
    ),
    (
        "more examples than digits has",
        put("scales.demo.tasks.cifar100.recipe.train_examples", 1438),
        f"{LINE}.*more than the 1437 of digits",
    ),
    (
        "more pictures than were drawn",
        put("scales.demo.tasks.coco.recipe.test_examples", 61),
        f"{LINE}.*more than the 60 of shapes",
    ),
    (
        "more sentences than there are",
        put("scales.demo.tasks.sst2.recipe.train_examples", 1201),
        f"{LINE}.*more than the 1200",
    ),
    (
        "a pad as large as the image",
        put("scales.demo.tasks.cifar100.recipe.pad", 64),
        f"{LINE}.*pad .64. must be smaller",
    ),
    ("heads that do not divide", put("scales.demo.tasks.sst2.recipe.heads", 5), f"{LINE}.*must divide width"),
    (
        "more images for one model",
        put("scales.demo.tasks.cifar100.recipe_of.starnet_s1", {"train_examples": 1438}),
        f"{LINE}.*recipe_of.starnet_s1",
    ),
    ("a model twice", swap("\nmodels: all", "\nmodels: [starnet_s1, starnet_s1]"), f"{LINE}models: models repeat"),
    (
        "a variant of a model twice",
        swap("dysig: {of: [hadaptive_net_s]", "dysig: {of: [hadaptive_net_s, hadaptive_net_s]"),
        f"{LINE}.*repeat",
    ),
    (
        "a saturation that falls",
        put("scales.demo.tasks.coco.recipe.saturation", [2, 1]),
        f"{LINE}.*lowest factor",
    ),
    (
        "an infinite saturation",
        put("scales.demo.tasks.coco.recipe.saturation", [0, math.inf]),
        f"{LINE}.*saturation",
    ),
    (
        "an overlap of 2",
        put("scales.demo.tasks.coco.recipe.crop_iou", [2]),
        f"{LINE}.*overlaps",
    ),
    ("a layer of a billion channels", swap("{out: 32, kernel: 2", "{out: 1000000000, kernel: 2"), f"{LINE}.*out"),
]
for _seeds, _said in {
    "[0, 0]": "repeat",
    "[18446744073709551616]": "seeds.0",
    "[-1]": "seeds.0",
    "[0.5]": "seeds.0",
    "[yes]": "seeds",
    "[.nan]": "seeds.0",
    "[]": "seeds",
    "0": "seeds",
    "{a: 0}": "seeds",
    "[[0]]": "seeds.0",
    "[null]": "seeds.0",
    "[0, 0.0]": "repeat",
}.items():
    FILES.append((f"seeds {_seeds}", swap("seeds: [0]", f"seeds: {_seeds}"), f"{LINE}scales.demo.*{_said}"))

RECIPES: dict[str, type[Recipe | DetectionRecipe | TextRecipe]] = {
    "cifar100": Recipe,
    "coco": DetectionRecipe,
    "sst2": TextRecipe,
    "search": SearchRecipe,
}
BAD = (math.inf, math.nan, -1, True, "text", "1e400")
TOO_LARGE = (10**9,)
UNBOUNDED = {  # finite is enough: a rate of a billion diverges in the first epoch, which is a result
    *("lr", "lr_floor", "lr_architecture", "weight_decay", "weight_decay_architecture"),
    *("gamma", "clip", "tau_max", "tau_min"),
}


def numbers() -> Iterator[tuple[str, Change, str]]:
    """Each number of each recipe, in turn, as values that it cannot have."""
    for task, recipe in RECIPES.items():
        at = f"scales.demo.tasks.{task}.recipe"
        for key in recipe.model_fields:
            if not _numbers_only(recipe, key) or key in ("saturation", "crop_iou"):
                continue
            for value in (*BAD, *(TOO_LARGE if key not in UNBOUNDED else ())):
                yield f"{task}: {key} {value}", put(f"{at}.{key}", value), rf"{LINE}{re.escape(at)}.*{key}"


ATTACKS = [Attack(name, loaded(change), said) for name, change, said in (*FILES, *numbers())]
