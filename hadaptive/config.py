"""params.yaml: its models, its checks, its errors with line numbers, its JSON schema. Imports no torch.

A wrong key or value gets one line that names file and line, the key, and the nearest right one; nothing has run yet.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from hadaptive import yaml_file
from hadaptive.data.settings import DATASETS, DataSettings
from hadaptive.errors import UserError, nearest
from hadaptive.explain.settings import ExplainSettings, named_photos
from hadaptive.recipes import DetectionRecipe, Recipe, SearchRecipe, TextRecipe
from hadaptive.run import Name, Seed
from hadaptive.settings import Settings
from hadaptive.space import Space

Label = Annotated[str, Field(min_length=1, max_length=100)]
Seeds = Annotated[list[Seed], Field(min_length=1, max_length=1000)]


class Model(Settings):
    """A line of the zoo; its key is the name `create_model` takes."""

    label: Label = Field(description="what a table prints")
    cite: str = Field("", description="source a table prints; `ours` marks the paper's own nets")
    group: int | None = Field(None, ge=1, description="group of Table 7; null: not in Table 7")
    variant: Name = Field("base", description="the variant that stands in Table 7")


class Variant(Settings):
    """A change of a model, by keyword arguments of its builder."""

    of: list[Name] = Field(min_length=1, description="models that have this variant")
    options: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the builder")

    @field_validator("options")
    @classmethod
    def _survive_json(cls, options: dict[str, Any]) -> dict[str, Any]:
        """They reach the trainer, and its record, as JSON."""
        with contextlib.suppress(ValueError, TypeError):
            if json.loads(json.dumps(options, allow_nan=False)) == options:
                return options
        raise ValueError("give text as keys, and text, finite numbers, lists and mappings as values")


class TextModel(Settings):
    """A model of Table 13; its key is the name `hadaptive.nn.text` knows it by."""

    label: Label = Field(description="what a table prints")


class Task(Settings):
    """What a task is trained on. Every kind of task has a subclass that adds how: its recipe."""

    holds: ClassVar[str] = "images"  # what a data set for it must hold
    dataset: Name


class ClassificationTask(Task):
    """A task of image classification."""

    recipe: Recipe = Field(default_factory=lambda: Recipe.model_validate({}))
    recipe_of: dict[Name, Recipe] = Field(
        default_factory=dict, description="settings in which the recipe of a model differs from `recipe`"
    )

    def recipe_for(self, model: str) -> Recipe:
        """Return the recipe of `model`: `recipe`, with the settings that `recipe_of` gives for it."""
        own = self.recipe_of.get(model)
        return self.recipe.model_copy(update=own.model_dump(include=own.model_fields_set)) if own else self.recipe


class DetectionTask(Task):
    """A task of object detection."""

    holds: ClassVar[str] = "images with boxes"
    recipe: DetectionRecipe = Field(default_factory=lambda: DetectionRecipe.model_validate({}))


class TextTask(Task):
    """A classification of sentences or pairs of them."""

    holds: ClassVar[str] = "sentences"
    recipe: TextRecipe = Field(default_factory=lambda: TextRecipe.model_validate({}))


class SearchTask(Task):
    """What architectures are searched on, and how; the spaces stand under `search`."""

    recipe: SearchRecipe = Field(default_factory=lambda: SearchRecipe.model_validate({}))
    seeds: Seeds | None = Field(None, description="null: the scale's")


class Latency(Settings):
    """How latency is measured: one image, 224 px, ONNX Runtime (section 5.3, appendix A.4)."""

    runs: int = Field(500, ge=1, le=1_000_000)
    warmup: int = Field(50, ge=0, le=1_000_000)
    threads: int = Field(1, ge=1, le=1024)


class Tasks(Settings):
    """The tasks of a scale; what is not here says "not part of scale ..." in its cells."""

    cifar100: ClassificationTask | None = None
    imagenet1k: ClassificationTask | None = None
    coco: DetectionTask | None = None
    sst2: TextTask | None = None
    mnli: TextTask | None = None
    search: SearchTask | None = None

    def named(self) -> dict[str, ClassificationTask | DetectionTask | TextTask | SearchTask]:
        """Return the tasks there are, by name."""
        return {name: task for name in type(self).model_fields if (task := getattr(self, name)) is not None}


FOUND = "hadaptive_net_found"  # the model that a search finds; its variants are the spaces
MAX_CHANNELS = 256  # kernels.dispatch.MAX_K, which cannot be imported here: it comes with torch


class Kernels(Settings):
    """The sweep of Figure 7, batches and channels against sizes of square feature maps (appendix A.5)."""

    batches: list[Annotated[int, Field(ge=1, le=65_536)]] = Field(
        default_factory=lambda: [1, 2, 4, 8, 12, 16, 24, 32, 40, 48, 56, 64], min_length=1
    )
    channels: list[Annotated[int, Field(ge=2, le=MAX_CHANNELS)]] = Field(
        default_factory=lambda: [4, 8, 12, 16, 20, 24, 32, 36, 40, 48, 56, 64], min_length=1
    )
    sizes: list[Annotated[int, Field(ge=1, le=1024)]] = Field(
        default_factory=lambda: [2, 4, 7, 8, 12, 14, 16, 20, 24, 28, 31, 32, 33, 40, 48, 56, 63, 64, 65],
        min_length=1,
        description="height and width in pixels",
    )
    runs: int = Field(20, ge=1, le=100_000, description="measurements of a cell, of which the median is taken")


Reference = Literal["first", "only", "never"]


class Scale(Settings):
    """Data, epochs and seeds of a scale."""

    about: str = ""
    ladder: Name | None = Field(None, description="scales of one ladder differ in their budget alone (figure_ladder)")
    stand_in: bool = Field(False, description="the data are not the paper's: every output is marked a demonstration")
    seeds: Seeds = Field(default_factory=lambda: [0])
    seeds_of: dict[Name, Seeds] = Field(default_factory=dict, description="models with other seeds than `seeds`")
    reference: Reference = Field(
        "first",
        description="reference records whose settings are exactly these: `first` uses them and runs the rest, `only` "
        "uses them and runs nothing but exact counts, `never` runs everything",
    )
    tasks: Tasks
    latency: Latency = Field(default_factory=lambda: Latency.model_validate({}))
    kernels: Kernels = Field(default_factory=lambda: Kernels.model_validate({}))


def _names(value: Any) -> Any:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) and value != "all" else value


class Params(Settings):
    """The whole of params.yaml."""

    scale: Name = "demo"
    models: Annotated[Literal["all"] | list[Name], BeforeValidator(_names)] = Field(
        "all", description="only these models are run; `all`, a list, or names separated by commas"
    )
    reference: Reference | None = Field(None, description="overrides `reference` of the chosen scale")
    zoo: dict[Name, Model] = Field(min_length=1)
    text: dict[Name, TextModel] = Field(default_factory=dict)
    variants: dict[Name, Variant] = Field(default_factory=dict)
    detection: dict[Name, Model] = Field(min_length=1, description="backbones of SSD, the rows of Table 6")
    search: dict[Name, Space] = Field(default_factory=dict, description="spaces of the architecture search, by table")
    data: DataSettings = Field(default_factory=DataSettings)
    explain: ExplainSettings = Field(default_factory=ExplainSettings)
    scales: dict[Name, Scale] = Field(min_length=1)

    @property
    def takes(self) -> Reference:
        """How reference records are used."""
        return self.reference or self.scales[self.scale].reference

    @model_validator(mode="after")
    def _names_are_known(self) -> Params:
        scales, zoo = list(self.scales), list({**self.zoo, **self.detection, **self.text})
        _known("scale", self.scale, scales, at=("scale",))
        chosen = self.models if self.models != "all" else []
        for model in chosen:
            _known("model", model, [*zoo, FOUND], at=("models",), add=f"{model}: {{label: {model}, group: 1}}")
        _differ("models", chosen, at=("models",))
        for name, variant in self.variants.items():
            _differ("models", variant.of, at=("variants", name, "of"))
            for model in variant.of:
                _known("model", model, zoo, at=("variants", name, "of"))
        if all(entry.group is None for entry in self.zoo.values()):
            raise _Named(("zoo",), "no model has a group, and Table 7 would have no row; give one `group: 1`")
        for part, models in (("zoo", self.zoo), ("detection", self.detection)):
            for name, entry in models.items():
                own = ["base", *(v for v, variant in self.variants.items() if name in variant.of)]
                _known(f"variant of {name}", entry.variant, own, at=(part, name, "variant"))
                if (twin := next(other for other in models if models[other].label == entry.label)) != name:
                    problem = f"{entry.label!r} is the label of {twin} too; a table needs two"
                    raise _Named((part, name, "label"), problem)
        try:
            named_photos(self.explain)
        except ValueError as error:
            raise _Named(("explain", "images"), str(error)) from None
        for name, scale in self.scales.items():
            for task, settings in scale.tasks.named().items():
                at = ("scales", name, "tasks", task)
                _known("data set", settings.dataset, list(DATASETS), at=(*at, "dataset"))
                if isinstance(settings, ClassificationTask):
                    for model in settings.recipe_of:
                        _known("model", model, [*self.zoo, FOUND], at=(*at, "recipe_of", model))
                _suits(settings, at)
                if isinstance(settings, SearchTask):
                    _differ("seeds", settings.seeds or [], at=(*at, "seeds"))
            _differ("seeds", scale.seeds, at=("scales", name, "seeds"))
            for model, seeds in scale.seeds_of.items():
                _known("model", model, zoo, at=("scales", name, "seeds_of", model))
                _differ("seeds", seeds, at=("scales", name, "seeds_of", model))
            for axis in ("batches", "channels", "sizes"):
                _differ(axis, getattr(scale.kernels, axis), at=("scales", name, "kernels", axis))
        return self

    @model_validator(mode="after")
    def _spaces_can_be_built(self) -> Params:
        for name, space in self.search.items():
            for at, problem in space.problems():
                raise _Named(("search", name, *at), problem)
            for scale in self.scales.values():
                for at, problem in space.shapes(scale.tasks.search.recipe.image_size) if scale.tasks.search else ():
                    raise _Named(("search", name, *at), problem)
        return self


class _Named(ValueError):
    """A ValueError that knows which key it speaks of."""

    def __init__(self, at: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.at = at


def _known(what: str, name: str, known: list[str], at: tuple[str, ...], add: str = "") -> None:
    """Raise for an unknown name, with the nearest known one and, with `add`, the zoo's line that makes it known."""
    if name not in known:
        line = f" To add a model of timm or torchvision, write under `zoo`: {add}" if add else ""
        raise _Named(at, f"unknown {what} {name!r}.{nearest(name, known)}{line}")


def _suits(task: Task, at: tuple[str, ...]) -> None:
    """Check that the data set is of the task's kind and has as many examples as the recipe asks for."""
    dataset = DATASETS[task.dataset]
    if dataset.holds != task.holds:
        fit = ", ".join(name for name, dataset in DATASETS.items() if dataset.holds == task.holds)
        raise _Named((*at, "dataset"), f"{task.dataset} holds {dataset.holds}, not {task.holds}; choose one of {fit}")
    recipes: dict[tuple[str, ...], Any] = {("recipe",): getattr(task, "recipe", None)}
    recipes |= {("recipe_of", model): own for model, own in getattr(task, "recipe_of", {}).items()}
    for within, recipe in recipes.items():
        for key, most in zip(("train_examples", "test_examples"), dataset.most or (None, None), strict=True):
            asked = getattr(recipe, key, None)
            if asked is not None and most is not None and asked > most:
                raise _Named((*at, *within, key), f"{asked} are more than the {most} of {task.dataset}; lower it")


def _differ(what: str, numbers: Sequence[int | str], at: tuple[str, ...]) -> None:
    if len(set(numbers)) < len(numbers):
        raise _Named(at, f"{what} repeat: {numbers}")


def load(path: Path = Path("params.yaml"), given: Mapping[str, Any] | None = None) -> Params:
    """Read and check a parameter file. UserError for every problem, with its line.

    `given` are settings of a command line, which take the place of the file's: mappings key by key, all else whole.
    """
    document = yaml_file.read(path)
    return _checked(merged(document.values, given or {}), path, document)


def check(values: Any, path: Path = Path("params.yaml")) -> Params:
    """Check parameters that are read already; `path`, where it exists, gives the lines of those that are its own."""
    return _checked(values, path, yaml_file.read(path) if path.exists() else yaml_file.Document({}, {}, []))


def merged(values: Any, given: Any) -> Any:
    """`values` with those of `given` in their place: of two mappings key by key, else `given`."""
    if not (isinstance(values, Mapping) and isinstance(given, Mapping)):
        return given
    return {**values, **{key: merged(values.get(key), value) for key, value in given.items()}}


def _checked(values: Any, path: Path, document: yaml_file.Document) -> Params:
    if document.repeated:
        repeated = (f"{path}:{line}: key {key!r} is there twice; keep one" for key, line in document.repeated)
        raise UserError(_few(list(repeated)))
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold keys and values, not {type(values).__name__}")
    lines = dict(document.lines)
    for at in _changed(values, document.values, ()):  # set on the command line: the file has no line for it
        lines[at] = 0
    if YTE in values:
        place = _place((YTE,), path, lines)
        raise UserError(f"{place}: {YTE} would run what stands in settings as code; they are data here, so remove it")
    if odd := [f"{_place(at, path, lines)}: {_key(at)}: {problem}" for at, problem in _odd_texts(values, ())]:
        raise UserError(_few(odd))
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        errors = error.errors()  # of which there can be tens of thousands, and each needs a look at the schema
        problems = sorted({_problem(dict(details), path, lines) for details in errors[:MOST_LINES]})
        raise UserError(_few(problems, len(errors) - MOST_LINES)) from None


YTE = "__use_yte__"  # with it Snakemake's own reader of configuration files evaluates expressions
MOST_LINES, MOST_KEY, MOST_TEXT, MOST_SHOWN = 20, 100, 1000, 80


def _few(problems: list[str], more: int = 0) -> str:
    rest = max(more, len(problems) - MOST_LINES)
    return "\n".join([*problems[:MOST_LINES], *([f"... and {rest} more"] if rest > 0 else [])])


def _changed(values: Any, written: Any, at: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield where `values` differ from those written in the file."""
    if isinstance(values, dict) and isinstance(written, dict):
        for key, value in values.items():
            yield from _changed(value, written.get(key), (*at, str(key)))
    elif values is not written and values != written:  # NaN differs from itself
        yield at


def _odd_texts(node: Any, at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Texts that no name, label or path can be, and where they stand."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        here = (*at, str(key))
        texts = [(text, most) for text, most in ((key, MOST_KEY), (value, MOST_TEXT)) if isinstance(text, str)]
        if problem := next(filter(None, (yaml_file.odd_text(*text) for text in texts)), None):
            yield here, problem
        else:
            yield from _odd_texts(value, here)


def _key(at: tuple[str, ...]) -> str:
    return ".".join(part if part.isprintable() and len(part) <= MOST_KEY else _short(part) for part in at)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


def _place(at: tuple[str, ...], path: Path, lines: Mapping[tuple[str, ...], int]) -> str:
    """File and line of a key or, where it is missing, of what it would stand in."""
    line = next((lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in lines), None)
    return f"{path}:{line}" if line else f"{path} or --config"


@cache
def schema() -> dict[str, Any]:
    """Return JSON schema of params.yaml, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Params.model_json_schema()}


def dump_schema() -> str:
    """Return the schema as it stands in workflow/params.schema.json."""
    return json.dumps(schema(), indent=1, sort_keys=True) + "\n"


def _problem(error: dict[str, Any], path: Path, lines: Mapping[tuple[str, ...], int]) -> str:
    """Return one line for one error of pydantic's: file and line, the key, what is wrong with it."""
    cause = error.get("ctx", {}).get("error")
    at = cause.at if isinstance(cause, _Named) else tuple(str(part) for part in error["loc"])
    # pydantic names the branch of a union and the key of a mapping in the path; params.yaml has no such keys
    at = tuple(part for part in at if part != "[key]" and "[" not in part)
    if error["type"] == "extra_forbidden":
        inside = f" in {_key(at[:-1])}" if at[:-1] else ""
        text = f"unknown key {_short(at[-1])}{inside}.{nearest(at[-1], _keys(at[:-1]))}"
    elif isinstance(cause, _Named):
        text = f"{_key(at)}: {cause}"
    elif error["type"] == "missing":
        text = f"{_key(at)} is missing"
    else:
        message = error["msg"].removeprefix("Value error, ")
        text = f"{_key(at)}: {message[0].lower()}{message[1:]}, not {_short(error['input'])}"
    return f"{_place(at, path, lines)}: {text}"


def _keys(at: tuple[str, ...]) -> list[str]:
    """Return the keys that may stand at a place of params.yaml, found by walking its schema."""
    whole = schema()
    node: dict[str, Any] = whole
    for part in (*at, None):
        # of what may be several things, the one with keys inside: the last
        node = next((one for one in reversed(node.get("anyOf", [])) if one.get("type") != "null"), node)
        if "$ref" in node:
            node = whole["$defs"][node["$ref"].rpartition("/")[2]]
        if part is not None:
            named = node.get("properties", {}).get(part)
            inside = node.get("additionalProperties") or node.get("items")
            node = named or inside or next(iter(node.get("patternProperties", {}).values()), {})
    return list(node.get("properties", {})) or list(node.get("propertyNames", {}).get("enum", []))
