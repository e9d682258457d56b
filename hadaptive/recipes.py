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
