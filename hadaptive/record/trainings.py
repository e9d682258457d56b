"""What the records of trainings hold. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from hadaptive.record.bitmap import count, unpack
from hadaptive.record.parts import (
    Confidences,
    Count,
    Fraction,
    NotNegative,
    Part,
    Percent,
    Positive,
    Record,
    Sha256,
    Text,
)
from hadaptive.space import Space


class TrainedWith(Part):
    """The parts of a recipe that tell how large a training was."""

    epochs: Positive | None = None
    train_examples: Positive | None = None
    image_size: Positive | None = None
    word_pieces: Positive | None = None
    width: Positive | None = None
    batch_size: Positive | None = None
    precision: str | None = None
    compile: bool | None = None


class TrainedRun(Part):
    """The settings of a Run as they were (see `hadaptive.run`)."""

    task: str
    model: str
    variant: str
    dataset: str
    seed: Count
    options: dict[str, Any] = {}
    recipe: TrainedWith


class SearchedRun(TrainedRun):
    space: Space


class Epoch(Part):
    """One line of a training's curve."""

    epoch: Positive | None = None
    lr: NotNegative | None = None
    train_loss: NotNegative | None = None
    train_top1: Percent | None = None
    test_loss: NotNegative | None = None
    test_top1: Percent | None = None
    test_top5: Percent | None = None
    test_map: Percent | None = None
    examples_per_s: NotNegative | None = None
    confidence: Confidences | None = None


class TestedEpoch(Epoch):
    test_loss: NotNegative | None  # null: not finite


class Data(Part):
    """The prepared data of a training."""

    dataset: str | None = None
    sha256: str | None = None
    train_examples: Count | None = None
    held_out_examples: Count | None = None
    test_examples: Count | None = None
    source: Text | None = None


class Checkpoint(Part):
    path: str | None = None
    sha256: Sha256


class TrainedModel(Part):
    parameters: Count | None = None


class Accuracies(Part):
    """Metrics of a classifier, in percent. Null: not reached."""

    top1_last: Percent | None = None
    top5_last: Percent | None = None
    train_top1_last: Percent | None = None
    top1_best_on_test: Percent | None = None
    loss_last: NotNegative | None = None
    best_epoch: Positive | None = None


class TextAccuracies(Accuracies):
    commonest_class: Percent | None = None
    parameters: Count | None = None
    in_out_channels: Count | None = None
    mid_channels: Count | None = None


class SearchMetrics(Accuracies):
    confidence: Confidences | None = None
    chosen: list[str] | None = None


Box = Annotated[list[float], Field(min_length=4, max_length=4)]


class Detected(Part):
    """A box on an image: left, top, right, bottom in pixels."""

    box: Box
    class_: Text = Field(alias="class")
    score: Fraction | None = None


class ScoredBox(Detected):
    score: Fraction


class Sample(Part):
    """A test image with what was found and what there is."""

    image: Text
    found: list[ScoredBox]
    there: list[Detected]


class DetectionMetrics(Part):
    map_last: Percent | None = None
    map_50_last: Percent | None = None
    map_75_last: Percent | None = None
    miou_last: Percent | None = None
    matched_last: NotNegative | None = None
    train_map_last: Percent | None = None
    train_map_50_last: Percent | None = None
    train_miou_last: Percent | None = None
    map_best_on_test: Percent | None = None
    best_epoch: Positive | None = None
    parameters: Count | None = None
    parameters_backbone: Count | None = None
    macs: Count | None = None
    samples: list[Sample] = []


class Outcomes(Part):
    """Which test examples were right after the last epoch, and the accuracy of each class in percent.

    `right` is a bitmap in the order of the test set (`hadaptive.record.bitmap`); `labels_sha256` tells test sets apart:
    the checksum of their labels in that order, as little-endian int64. A class without test examples has null.
    """

    examples: Annotated[int, Field(ge=1, le=10**8)]
    right: str
    labels_sha256: Sha256
    top1_per_class: list[Percent | None] = []

    @model_validator(mode="after")
    def _is_a_bitmap(self) -> Self:
        unpack(self.right, self.examples)
        return self

    @cached_property
    def bits(self) -> bytes:
        """One bit for each example, the first in the highest bit of the first byte."""
        return unpack(self.right, self.examples)

    @property
    def top1(self) -> float:
        """Percent of the examples that are right."""
        return 100 * count(self.bits) / self.examples


class TrainingRecord(Record):
    """A training, whatever its task; of a Run that could not be trained the metrics and the curve are empty."""

    kind: Literal["training"]
    run: TrainedRun
    curve: list[Epoch] = []
    micro_batches: dict[str, Any] | None = None
    model: TrainedModel = TrainedModel()
    data: Data = Data()
    checkpoints: dict[str, Checkpoint] = {}
    outcomes: Outcomes | None = None  # older records lack it, and detection has none
    examples_per_s: NotNegative | None = None
    wall_s: NotNegative | None = None
    peak_memory_bytes: Count | None = None

    @model_validator(mode="after")
    def _id_is_of_its_run(self) -> Self:
        run = self.run
        middle = "" if isinstance(self, SearchRecord) else f"{run.model}/"
        if self.id != f"{run.task}/{middle}{run.variant}/seed{run.seed}":
            raise ValueError(f"the id {self.id[:120]!r} is not that of its run")
        return self

    @model_validator(mode="after")
    def _outcomes_are_of_its_accuracy(self) -> Self:
        reached = getattr(self.metrics, "top1_last", None)
        if self.outcomes is not None and (reached is None or abs(self.outcomes.top1 - reached) > 1e-3):
            raise ValueError("outcomes are not those of metrics.top1_last")
        return self

    @property
    def made_with(self) -> Mapping[str, Any]:
        settings: Mapping[str, Any] = self.raw["run"]
        return settings


class ClassificationRecord(TrainingRecord):
    curve: list[TestedEpoch] = []  # type: ignore[assignment]
    metrics: Accuracies = Accuracies()


class DetectionRecord(TrainingRecord):
    metrics: DetectionMetrics = DetectionMetrics()


class TextRecord(TrainingRecord):
    metrics: TextAccuracies = TextAccuracies()


class SearchRecord(TrainingRecord):
    run: SearchedRun
    metrics: SearchMetrics = SearchMetrics()

    @property
    def confidence(self) -> Confidences:
        """The confidences at the end; of a record that is done."""
        assert self.metrics.confidence is not None
        return self.metrics.confidence

    @property
    def chosen(self) -> list[str]:
        assert self.metrics.chosen is not None
        return self.metrics.chosen

    @model_validator(mode="after")
    def _layers_are_of_its_space(self) -> Self:
        if self.status != "done":
            return self
        space = self.run.space
        if next(space.problems(), None):
            raise ValueError("run.space cannot be built")
        asked = {str(n): set(space.layers[n].choose) for n in space.searched()}
        confidences = [self.metrics.confidence, *(epoch.confidence for epoch in self.curve)]
        if not self.curve or any({layer: set(of) for layer, of in (one or {}).items()} != asked for one in confidences):
            raise ValueError("its confidences are not of the layers and candidates of run.space")
        if len(self.metrics.chosen or ()) != len(space.layers):
            raise ValueError("metrics.chosen does not name one candidate per layer of run.space")
        return self
