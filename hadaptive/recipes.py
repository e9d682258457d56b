"""Recipes: how a net is trained, a class for each kind of task. Defaults are the paper's settings. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


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


class SearchRecipe(Recipe):
    """How an architecture is searched (appendix A.1). Defaults are the paper's settings."""

    epochs: int = Field(250, ge=1, description="passes over the part of the training set that trains weights")
    lr: float = Field(3e-3, gt=0, description="AdamW's learning rate for weights at its peak")
    warmup: float = Field(0.0, ge=0, lt=1, description="part of all steps with linear warm-up, cosine to 0 after it")
    compile: Literal[False] = Field(False, description="not for a search, whose path changes at every step")
    lr_architecture: float = Field(3e-4, gt=0, description="AdamW's learning rate for architecture parameters")
    weight_decay_architecture: float = Field(0.0, ge=0, description="of architecture parameters; the paper says none")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradients, of weights and of architecture each")
    tau_max: float = Field(4.0, gt=0, description="temperature in the first epoch")
    tau_min: float = Field(0.1, gt=0, description="temperature in the last epoch")
    tau_decay: Literal["linear", "exponential", "cosine"] = Field("linear", description="the paper names all three")
    protocol: Literal["held_out", "paper"] = Field(
        "held_out",
        description="architecture steps on a held-out part of the training set; `paper`: on the test set, as in the "
        "authors' code",
    )
    held_out: float = Field(0.5, gt=0, lt=1, description="part of the training set that is held out for them")
