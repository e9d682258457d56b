"""The Run: one thing that is executed, and everything its result depends on besides data and code. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from hadaptive.recipes import DetectionRecipe, Recipe, SearchRecipe, TextRecipe
from hadaptive.space import Space

# A name is part of file names, of which most systems take 255 bytes; a seed is what torch.manual_seed takes.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$", max_length=100)]
Seed = Annotated[int, Field(ge=0, lt=2**64)]


class Executed(BaseModel):
    """One thing that was executed at one scale; its id is readable and names the folder of its record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scale: Name

    @property
    def id(self) -> str:
        raise NotImplementedError

    @property
    def folder(self) -> Path:
        """Where its results lie, relative to the project."""
        return Path("results", self.scale, self.id)

    def dumps(self) -> str:
        """Canonical one-line JSON: the same settings always give the same text."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


class Run(Executed):
    """A training: (task, model, variant, dataset, recipe, seed). Every kind of task has a subclass with its recipe."""

    task: Name
    model: Name
    variant: Name
    options: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the model's builder")
    dataset: Name
    seed: Seed

    @property
    def id(self) -> str:
        """For example `cifar100/hadaptive_net_s/dysoft/seed0`."""
        return f"{self.task}/{self.model}/{self.variant}/seed{self.seed}"

    @property
    def image_size(self) -> int | None:
        """The side of the images that the recipe asks for, in pixels; None for text."""
        side: int | None = getattr(getattr(self, "recipe", None), "image_size", None)
        return side

    def key(self, *depends_on: str) -> str:
        """Return the identity of the Run's result: of its settings, and of what else it depends on (data, code).

        The scale is a folder, not a setting: two scales with equal settings would give equal results.
        """
        settings = self.model_dump_json(exclude={"scale"})
        return hashlib.sha256("\0".join((settings, *depends_on)).encode()).hexdigest()[:16]


class Classification(Run):
    """A training of an image classifier (section 5.3)."""

    recipe: Recipe


class Search(Run):
    """An architecture search in one space (appendix A.1 and A.3); its variant is the space's name."""

    space: Space
    recipe: SearchRecipe

    @property
    def id(self) -> str:
        """For example `search/table3/seed0`."""
        return f"{self.task}/{self.variant}/seed{self.seed}"


class Detection(Run):
    """A training of SSD on a model as its backbone (section 5.4)."""

    recipe: DetectionRecipe


class Text(Run):
    """A training of a classifier of sentences or pairs of them (appendix A.6, Table 13)."""

    recipe: TextRecipe


class Measure(Executed):
    """A measurement of a kind of `hadaptive.study.measures.MEASURES`; what it depends on stands in `settings`."""

    kind: Name
    settings: dict[str, Any] = Field(default_factory=dict)

    @property
    def id(self) -> str:
        """For example `variance`."""
        return self.kind


class NamedMeasure(Measure):
    """One of several measurements of a kind."""

    name: Name

    @property
    def id(self) -> str:
        """For example `kernels/table4`."""
        return f"{self.kind}/{self.name}"


class ModelMeasure(Measure):
    """A measurement of an untrained model: its complexity, its latency, its layers."""

    model: Name
    variant: Name
    options: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the model's builder")

    @property
    def id(self) -> str:
        """For example `latency/hadaptive_net_s/dysoft`."""
        return f"{self.kind}/{self.model}/{self.variant}"
