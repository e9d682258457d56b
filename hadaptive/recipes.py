"""Recipes: how a model is trained, one class per kind of task. Defaults are the paper's settings. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from hadaptive.settings import Settings

PAPER_WIDTH = 768  # channels of BERT in Table 13
# Beyond these a value is a slip of the pen, and would cost hours or all memory before anyone saw it.
MOST_EPOCHS, MOST_BATCH, MOST_PIXELS, MOST_EXAMPLES = 100_000, 1_000_000, 4096, 10**9


class Recipe(Settings):
    """How a classifier is trained (section 5.3). Defaults are the paper's settings to the letter."""

    epochs: int = Field(200, ge=1, le=MOST_EPOCHS, description="passes over the training set")
    batch_size: int = Field(64, ge=2, le=MOST_BATCH, description="images a step")
    image_size: int = Field(
        224, ge=32, le=MOST_PIXELS, description="side of the square input in pixels; Hadaptive-Net-L needs 64"
    )
    lr: float = Field(1e-3, gt=0, description="AdamW's learning rate at its peak")
    weight_decay: float = Field(1e-4, ge=0, description="AdamW's weight decay, on every parameter")
    warmup: float = Field(0.05, ge=0, lt=1, description="part of all steps with linear warm-up, cosine to 0 after it")
    pad: int = Field(4, ge=0, le=MOST_PIXELS, description="zero padding of the random crop, in pixels at image_size")
    flip: bool = Field(True, description="random horizontal flip")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16 runs the forward pass under autocast")
    channels_last: bool = Field(True, description="NHWC memory order")
    compile: bool | Literal["graphs"] = Field(
        False, description="torch.compile the model; graphs: and replay it as CUDA graphs (its mode reduce-overhead)"
    )
    train_examples: int | None = Field(
        None, ge=2, le=MOST_EXAMPLES, description="class-balanced part of the training set; null: all"
    )
    bn_momentum: float | None = Field(
        None,
        gt=0,
        le=1,
        description="momentum of batch normalization's running statistics; null: as the model has it",
        exclude_if=lambda value: value is None,  # records older than this key lack it and must stay equal
    )
    as_released: bool = Field(
        False,
        description="where the authors' code differs from the paper, train as the code: dropout of MobileNetV3, "
        "MobileNetV4 and MobileViT, initial weights, order of the updates of tau; in a search also the clipping, the "
        "decay of tau and the start of the architecture parameters",
        exclude_if=lambda value: not value,  # likewise
    )

    @model_validator(mode="after")
    def _crops_hold_some_image(self) -> Self:
        if self.pad >= self.image_size:
            raise ValueError(f"pad ({self.pad}) must be smaller than image_size ({self.image_size})")
        return self

    def about(self) -> str:
        """Return the caption summary."""
        examples = f"{self.train_examples} training images" if self.train_examples else "all training images"
        momentum = "" if self.bn_momentum is None else f", batch-norm momentum {self.bn_momentum:g}"
        steps = f"{epochs(self)}, batch {self.batch_size}, {self.precision}{momentum}{released(self)}"
        return f"{examples}, {self.image_size} px, {steps}"


class DetectionRecipe(Settings):
    """How a detector is trained (section 5.4, appendix A.4). Defaults are the paper's settings to the letter.

    The paper's augmentations have no flip. The whole image is a fourth choice beside the thresholds of the crop, as in
    SSD: around small objects alone no crop reaches a threshold.
    """

    epochs: int = Field(120, ge=1, le=MOST_EPOCHS, description="passes over the training set")
    batch_size: int = Field(64, ge=2, le=MOST_BATCH, description="images a step")
    image_size: int = Field(320, ge=64, le=MOST_PIXELS, description="side of the square input in pixels")
    lr: float = Field(0.02, gt=0, description="SGD's peak learning rate at batch 64; it scales with batch_size")
    lr_floor: float = Field(1e-5, ge=0, description="learning rate towards which the cosine falls, as it is")
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0, description="SGD's weight decay, on every parameter")
    warmup_epochs: float = Field(3, ge=0, description="epochs of linear warm-up; fewer than epochs")
    gamma: float = Field(2.0, ge=0, description="focal loss: how much easy examples are discounted")
    alpha: float = Field(0.25, gt=0, lt=1, description="focal loss: weight of objects, against 1 - alpha elsewhere")
    hue: float = Field(18, ge=0, le=180, description="largest random change of hue, degrees")
    saturation: tuple[float, float] = Field((0.5, 1.5), description="range of the random factor of saturation")
    expand: float = Field(
        2.0, ge=1, le=16, description="largest side of the random canvas, times the image's; half the time"
    )
    crop_iou: tuple[float, ...] = Field((0.1, 0.3, 0.5), description="least overlap of a random crop with an object")
    flip: bool = Field(False, description="random horizontal flip")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16 runs the forward pass under autocast")
    train_examples: int | None = Field(
        None, ge=2, le=MOST_EXAMPLES, description="part of the training images; null: all"
    )
    test_examples: int | None = Field(
        None, ge=1, le=MOST_EXAMPLES, description="part of the validation images; null: all"
    )

    @model_validator(mode="after")
    def _warms_up_before_the_end(self) -> Self:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs ({self.warmup_epochs:g}) must be fewer than epochs ({self.epochs})")
        return self

    @field_validator("saturation")
    @classmethod
    def _is_a_range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] <= value[1]:
            raise ValueError("give the lowest factor, 0 or more, then the highest")
        return value

    @field_validator("crop_iou")
    @classmethod
    def _are_overlaps(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 <= overlap <= 1 for overlap in value):
            raise ValueError("overlaps are from 0 to 1")
        return value

    def about(self) -> str:
        """Return the caption summary."""
        train, test = (
            f"{part or 'all'} {name} images"
            for part, name in ((self.train_examples, "training"), (self.test_examples, "validation"))
        )
        return f"{train}, {test}, {self.image_size} px, {epochs(self)}, batch {self.batch_size}, {self.precision}"


class TextRecipe(Settings):
    """How BERT is trained, from random weights (appendix A.6), and how large it is. Defaults are the paper's settings.

    What the paper leaves open is as in BERT (Devlin et al., 2019) and in transformers' Trainer: AdamW, no weight decay
    on biases and normalisations, after warm-up a linear decay to 0, gradients clipped at norm 1. The width is the
    paper's 768 or, at a small scale, less; the tables say which.
    """

    epochs: int = Field(3, ge=1, le=MOST_EPOCHS, description="passes over the training set")
    batch_size: int = Field(32, ge=2, le=MOST_BATCH, description="examples a step")
    lr: float = Field(2e-5, gt=0, description="AdamW's learning rate at its peak")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's weight decay, on matrices")
    warmup: float = Field(0.1, ge=0, lt=1, description="part of all steps with linear warm-up, linear to 0 after it")
    clip: float = Field(1.0, gt=0, description="largest norm of all gradients together")
    word_pieces: int = Field(128, ge=8, le=512, description="most word pieces of an example, special ones included")
    width: int = Field(768, ge=8, le=16_384, description="channels of the net; the paper's is 768")
    heads: int = Field(12, ge=1, le=1024, description="heads of attention; they divide the width")
    train_examples: int | None = Field(
        None, ge=2, le=MOST_EXAMPLES, description="class-balanced part of the training set; null: all"
    )

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide width ({self.width})")
        return self

    def about(self) -> str:
        """Return the caption summary."""
        examples = f"{self.train_examples} training examples" if self.train_examples else "all training examples"
        width = f"{self.width} channels" + ("" if self.width == PAPER_WIDTH else f" in place of {PAPER_WIDTH}")
        steps = f"{epochs(self)}, batch {self.batch_size}, learning rate {self.lr:g}"
        return f"{examples}, {width}, {self.word_pieces} word pieces, {steps}"


def epochs(recipe: Recipe | DetectionRecipe | TextRecipe) -> str:
    """Return the number of epochs, in words."""
    return f"{recipe.epochs} epoch{'s' if recipe.epochs > 1 else ''}"


def released(recipe: Recipe) -> str:
    """Return whether it trains as the authors' code does, in words for the end of a caption."""
    return ", trained as in the authors' code" if recipe.as_released else ""


class SearchRecipe(Recipe):
    """How an architecture is searched (appendix A.1). Defaults are the paper's settings.

    With `as_released` only the architecture's gradients are clipped, its parameters start with the deviation 0.1, and
    tau decays as a cosine unless tau_decay says otherwise.
    """

    epochs: int = Field(
        250, ge=1, le=MOST_EPOCHS, description="passes over the part of the training set that trains weights"
    )
    lr: float = Field(3e-3, gt=0, description="AdamW's learning rate for weights at its peak")
    warmup: float = Field(0.0, ge=0, lt=1, description="part of all steps with linear warm-up, cosine to 0 after it")
    compile: Literal[False] = Field(False, description="not for a search, whose path changes at every step")
    bn_momentum: None = Field(None, description="not for a search", exclude_if=lambda value: value is None)
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

    @model_validator(mode="before")
    @classmethod
    def _decays_as_released(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("as_released") is True:
            return {"tau_decay": "cosine", **values}
        return values
