"""The Run: one thing that is executed, and everything its result depends on besides data and code. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]


class Recipe(BaseModel):
    """How a classifier is trained (section 5.3). Defaults are the paper's settings to the letter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(200, ge=1, description="passes over the training set")
    batch_size: int = Field(64, ge=2, description="images a step")
    image_size: int = Field(224, ge=32, description="side of the square input in pixels; Hadaptive-Net-L needs 64")
    lr: float = Field(1e-3, gt=0, description="AdamW's learning rate at its peak")
    weight_decay: float = Field(1e-4, ge=0, description="AdamW's weight decay, on every parameter")
    warmup: float = Field(0.05, ge=0, lt=1, description="part of all steps with linear warm-up, cosine to 0 after it")
    pad: int = Field(4, ge=0, description="zero padding of the random crop, in pixels at image_size")
    flip: bool = Field(True, description="random horizontal flip")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16 runs the forward pass under autocast")
    channels_last: bool = Field(True, description="NHWC memory order")
    compile: bool = Field(False, description="torch.compile the model")
    train_examples: int | None = Field(None, ge=2, description="class-balanced part of the training set; null: all")


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
    """A training: (task, model, variant, dataset, recipe, seed)."""

    task: Name
    model: Name
    variant: Name
    options: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the model's builder")
    dataset: Name
    recipe: Recipe
    seed: int = Field(ge=0)

    @property
    def id(self) -> str:
        """For example `cifar100/hadaptive_net_s/dysoft/seed0`."""
        return f"{self.task}/{self.model}/{self.variant}/seed{self.seed}"

    def key(self, *depends_on: str) -> str:
        """Identity of the Run's result: of its settings, and of what else it depends on (data, code).

        The scale is a folder, not a setting: two scales with equal settings would give equal results.
        """
        settings = self.model_dump_json(exclude={"scale"})
        return hashlib.sha256("\0".join((settings, *depends_on)).encode()).hexdigest()[:16]


class Measure(Executed):
    """A measurement of a model that needs no training: its complexity or its latency."""

    kind: Literal["complexity", "latency"]
    model: Name
    variant: Name
    options: dict[str, Any] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)

    @property
    def id(self) -> str:
        """For example `latency/hadaptive_net_s/dysoft`."""
        return f"{self.kind}/{self.model}/{self.variant}"


class KernelMeasure(Executed):
    """A measurement of the GPU kernels: of a net with each implementation (Table 4), or of the operator (Figure 7)."""

    kind: Literal["kernels"] = "kernels"
    name: Literal["table4", "figure7"]
    settings: dict[str, Any] = Field(default_factory=dict)

    @property
    def id(self) -> str:
        """For example `kernels/table4`."""
        return f"{self.kind}/{self.name}"


class VarianceMeasure(Executed):
    """A measurement of the variances of cross-Hadamard products (appendix A.2)."""

    kind: Literal["variance"] = "variance"
    settings: dict[str, Any] = Field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.kind
