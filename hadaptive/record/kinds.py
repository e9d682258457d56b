"""What a record of each kind holds, with the values that are possible. Imports no torch.

Numbers that the project computes with are fields with bounds; whatever else a record holds is kept and shown as it is.
Fields that older records lack have a default, which is how those are upgraded.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from hadaptive.records import seal
from hadaptive.space import Space
from hadaptive.tasks import CLASSIFICATION, DETECTION, SEARCH, TASKS, TEXT, Task

SEALED, EDITED, UNSEALED = "as written", "edited by hand", "without a checksum"

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0)]
Milliseconds = Annotated[float, Field(ge=0, le=1e9)]
Percent = Annotated[float, Field(ge=0, le=100 + 1e-6)]  # a mean of rounded parts may exceed 100 by rounding
Fraction = Annotated[float, Field(ge=0, le=1 + 1e-6)]
Text = Annotated[str, Field(max_length=4000)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Confidences = dict[str, dict[str, Percent]]  # layer's number -> candidate -> percent


class Part(BaseModel):
    """A part of a record. Types are exact ("71" and true are no numbers); unknown keys are kept."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False, protected_namespaces=())


class Environment(Part):
    """Machine, versions and commit."""

    processor: Text | None = None
    instruction_sets: dict[str, Text] | None = None
    cores: Count | None = None
    system: Text | None = None
    python: Text | None = None
    packages: dict[str, Text] = {}
    git_commit: Text | None = None
    git_dirty: bool | None = None
    device: Text | None = None
    threads: Count | None = None
    processes: Count | None = None


class Record(Part):
    """The envelope of every record; `metrics` is what was measured, its type depends on the kind."""

    version: Literal[1] = Field(alias="schema")
    id: str
    scale: str
    kind: str
    status: Text
    metrics: Part = Part()
    environment: Environment = Environment()
    code: Text | None = None
    finished: Text | None = None
    sha256: Text | None = None
    _raw: Mapping[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _id_is_of_its_kind(self) -> Self:
        if self.kind != "training" and self.id.partition("/")[0] != self.kind:
            raise ValueError(f"the id {self.id[:80]!r} is not that of a record of kind {self.kind[:80]!r}")
        return self

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """The record with these fields. Raises pydantic's ValidationError."""
        record = cls.model_validate(dict(raw))
        record._raw = raw
        return record

    @property
    def raw(self) -> Mapping[str, Any]:
        """Every field as it stands in the file."""
        return self._raw

    @cached_property
    def seal(self) -> str:
        """SEALED, EDITED or UNSEALED: whether its fields have the checksum that they were written with."""
        return UNSEALED if self.sha256 is None else SEALED if self.sha256 == seal(self._raw) else EDITED

    @property
    def edited(self) -> bool:
        return self.seal == EDITED

    @property
    def made_with(self) -> Mapping[str, Any]:
        """The settings that it was made with: those of its Run, or of its measure."""
        return self._raw

    def at(self, *names: str) -> Any:
        """The value at a path of names; None where there is nothing."""
        value: Any = self._raw
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value


class SkippedRecord(Record):
    """A measurement that was not made; `status` says why."""


# Trainings


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


class TrainingRecord(Record):
    """A training, whatever its task; of a Run that could not be trained the metrics and the curve are empty."""

    kind: Literal["training"]
    run: TrainedRun
    curve: list[Epoch] = []
    micro_batches: dict[str, Any] | None = None
    model: TrainedModel = TrainedModel()
    data: Data = Data()
    checkpoints: dict[str, Checkpoint] = {}
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
        each = [self.metrics.confidence, *(epoch.confidence for epoch in self.curve)]
        if not self.curve or any({layer: set(of) for layer, of in (one or {}).items()} != asked for one in each):
            raise ValueError("its confidences are not of the layers and candidates of run.space")
        if len(self.metrics.chosen or ()) != len(space.layers):
            raise ValueError("metrics.chosen does not name one candidate per layer of run.space")
        return self


# Measures


class Complexity(Part):
    """Counts for one image, by convention (see `hadaptive.measure.complexity`)."""

    parameters: Count
    macs: Count
    parameters_inference: Count | None = None
    macs_training_form: Count | None = None
    hadamard_products: Count | None = None
    macs_with_hadamard: Count | None = None
    flops: Count | None = None
    flops_all: Count | None = None
    macs_thop: Count | None = None
    macs_thop_attention: Count | None = None  # older records lack it


class ComplexityRecord(Record):
    kind: Literal["complexity"]
    model: str
    variant: str
    metrics: Complexity


class Summary(Part):
    """Repeated measurements of a time."""

    median_ms: Milliseconds | None = None
    mean_ms: Milliseconds | None = None
    iqr_ms: Milliseconds | None = None
    min_ms: Milliseconds | None = None


class Timing(Summary):
    """A latency, or in `status` the reason why there is none."""

    status: Text = "done"
    eager: Summary | None = None

    @model_validator(mode="after")
    def _has_a_median(self) -> Self:
        if self.status == "done" and self.median_ms is None:
            raise ValueError("no median_ms, and status says done")
        return self


class Latencies(Part):
    cpu: Timing | None = None
    cpu_plain: Timing | None = None
    gpu: Timing | None = None
    gpu_onnx: Timing | None = None  # older records lack it
    mobile: Timing | None = None


class LatencyRecord(Record):
    kind: Literal["latency"]
    metrics: Latencies


class Implementation(Part):
    """A net with one implementation of ACH."""

    status: Text = "done"
    eager: Timing | None = None
    graph: Timing | None = None
    launches: Count | Part | None = None


class ImplementationMetrics(Part):
    device: Text | None = None
    native: Implementation | None = None
    direct_indexing: Implementation | None = None
    parity_balanced: Implementation | None = None
    fused: Implementation | None = None


class ImplementationsRecord(Record):
    """Table 4."""

    kind: Literal["kernels"]
    metrics: ImplementationMetrics


Microseconds = Annotated[float, Field(gt=0, le=1e12)]


class Swept(Part):
    """A cell of Figure 7: panel (a) has batches, panel (b) channels."""

    size: Positive
    batch: Positive | None = None
    channels: Positive | None = None
    status: Text
    direct_indexing_us: Microseconds | None = None
    parity_balanced_us: Microseconds | None = None
    direct_indexing_iqr_us: NotNegative = 0.0
    parity_balanced_iqr_us: NotNegative = 0.0

    @model_validator(mode="after")
    def _has_times(self) -> Self:
        if self.status == "done" and None in (self.direct_indexing_us, self.parity_balanced_us):
            raise ValueError("a time is missing, and status says done")
        return self

    @property
    def times_us(self) -> tuple[float, float]:
        """Direct-indexing, parity-balanced; of a cell that is done."""
        assert self.direct_indexing_us is not None and self.parity_balanced_us is not None
        return self.direct_indexing_us, self.parity_balanced_us

    @property
    def spreads_us(self) -> tuple[float, float]:
        """Interquartile ranges of the same."""
        return self.direct_indexing_iqr_us, self.parity_balanced_iqr_us


class SweepMetrics(Part):
    device: Text = ""
    a: list[Swept] = []
    b: list[Swept] = []

    @model_validator(mode="after")
    def _cells_have_rows(self) -> Self:
        if any(cell.batch is None for cell in self.a) or any(cell.channels is None for cell in self.b):
            raise ValueError("a cell of panel a has no batch, or one of panel b no channels")
        return self


class SweepRecord(Record):
    """Figure 7."""

    kind: Literal["kernels"]
    settings: dict[str, Any] = {}
    metrics: SweepMetrics


class Case(Part):
    """The variance of a product, measured and by the formula."""

    measured: float
    formula: float
    standard_error: Annotated[float, Field(gt=0)]


class Bound(Part):
    products: NotNegative
    dysoft: NotNegative


class Spread(Part):
    """Variances of channels. Null: not finite."""

    median: NotNegative | None
    least: NotNegative | None
    greatest: NotNegative | None


class Depth(Part):
    variant: str
    state: str
    layer: Positive
    products: Spread
    normalised: Spread


class Variances(Part):
    samples: Positive
    formula: Annotated[list[Case], Field(min_length=1)]
    bound: Annotated[list[Bound], Field(min_length=1)]
    depth: list[Depth] = []


class VarianceRecord(Record):
    kind: Literal["variance"]
    metrics: Variances


class ImageSettings(Part):
    image_size: Positive


class AchExpansion(Part):
    """An ACH module (Figure 2); what it lacks is null."""

    kind: Literal["ACH"]
    channels: Annotated[int, Field(ge=2, le=2**16)]
    k: Annotated[int, Field(ge=2, le=512)]
    products: Positive
    out: Positive
    pointwise: Positive | None
    bn: str
    score: str | None
    score_kernel: Positive | None
    selection: Literal["gumbel", "topk", "fixed"]
    norm: str
    product_of: str

    @model_validator(mode="after")
    def _k_of_its_channels(self) -> Self:
        if self.k > self.channels:
            raise ValueError(f"k = {self.k} of {self.channels} channels")
        return self


class GhostExpansion(Part):
    kind: Literal["Ghost"]
    times: Annotated[float, Field(gt=0)]
    s: Positive
    kernel: Positive


class _Layer(Part):
    layer: Count
    in_: Positive = Field(alias="in")
    out: Positive
    size: Positive
    parameters: Count
    macs: Count


class ConvolutionLayer(_Layer):
    module: Literal["CNA"]
    kernel: Positive
    stride: Positive
    norm: str
    act: str | None


class BottleneckLayer(_Layer):
    module: Literal["AB"]
    expansion: Annotated[AchExpansion | GhostExpansion, Field(discriminator="kind")]
    width: Positive
    kernel: Positive
    stride: Positive
    residual: bool


class HeadLayer(_Layer):
    module: Literal["FN"]
    hidden: Positive
    dropout: Fraction


Layer: TypeAlias = ConvolutionLayer | BottleneckLayer | HeadLayer


class Layers(Part):
    layers: Annotated[list[Annotated[Layer, Field(discriminator="module")]], Field(min_length=2)]

    @model_validator(mode="after")
    def _are_in_order(self) -> Self:
        if any(layer.module == "FN" for layer in self.layers[:-1]):
            raise ValueError("a layer of module FN is not the last")
        if [layer.layer for layer in self.layers] != list(range(len(self.layers))):
            raise ValueError("the layers are not numbered from 0")
        if self.layers[0].module == "AB":
            raise ValueError("the first layer is a bottleneck")
        return self


class StructureRecord(Record):
    kind: Literal["structure"]
    model: str
    variant: str
    settings: ImageSettings
    metrics: Layers


class Expanded(Part):
    """One way of expanding channels to `n`."""

    n: Positive
    macs: Positive
    hadamard_products: Count
    macs_with_hadamard: Positive
    flops: Positive
    flops_all: Positive


class ExpandedGhost(Expanded):
    s: Positive
    kernel: Positive


class ExpandedAch(Expanded):
    k: Positive


class Point(Part):
    """Every way of expanding so many channels by about a ratio."""

    channels: Annotated[int, Field(ge=2)]
    ratio: Annotated[int, Field(ge=1)] | Annotated[float, Field(ge=1)]
    pointwise: Expanded
    ghost: ExpandedGhost
    ach: ExpandedAch

    def way(self, name: str) -> Expanded:
        """One of pointwise, ghost and ach."""
        return {"pointwise": self.pointwise, "ghost": self.ghost, "ach": self.ach}[name]


class Expansions(Part):
    channels: Annotated[list[Point], Field(min_length=2)]
    ratios: Annotated[list[Point], Field(min_length=2)]

    @model_validator(mode="after")
    def _go_over_sizes(self) -> Self:
        places = [point.channels / point.ach.n for point in self.ratios]
        if len({point.channels for point in self.channels}) < 2 or len(set(places)) < 2:
            raise ValueError("its points do not differ in channels or in ratios")
        return self


class ExpansionsRecord(Record):
    kind: Literal["expansions"]
    settings: ImageSettings
    metrics: Expansions


class Map(Part):
    """A Grad-CAM map: float16 in base64, rows by columns."""

    shape: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    float16: str

    @model_validator(mode="after")
    def _fills_its_shape(self) -> Self:
        if len(base64.b64decode(self.float16, validate=True)) != 2 * self.shape[0] * self.shape[1]:
            raise ValueError("float16 does not fill the map's shape")
        return self


class ExplainedLayer(Part):
    layer: Positive
    name: str
    operator: str
    downsamples: bool
    entropy: NotNegative | None
    area: Fraction | None
    on_subject: bool | None
    map: Map


class ExplainedNet(Part):
    variant: Literal["all_ghost", "dysoft"]
    seed: Count
    predicted: Text | None
    probability: Fraction | None
    focuses_at: Positive | None
    counted_layers: Count
    layers: Annotated[list[ExplainedLayer], Field(min_length=1)]

    @model_validator(mode="after")
    def _prediction_is_whole(self) -> Self:
        if (self.predicted is None) != (self.probability is None):
            raise ValueError("predicted and probability must both be null or neither")
        return self


class ExplainedImage(Part):
    shown_jpeg: str


class Explained(Part):
    image: ExplainedImage
    nets: list[ExplainedNet]


class ExplainSettings(Part):
    subject: Annotated[list[Fraction], Field(min_length=4, max_length=4)] | None = None


class ExplainRecord(Record):
    kind: Literal["explain"]
    settings: ExplainSettings = ExplainSettings()
    metrics: Explained

    @model_validator(mode="after")
    def _both_nets(self) -> Self:
        variants = {net.variant for net in self.metrics.nets}
        if self.status == "done" and len(variants) < 2:
            raise ValueError("one of the two nets is missing")
        if len({len(net.layers) for net in self.metrics.nets}) > 1:
            raise ValueError("its nets have different numbers of layers")
        return self


MEASURES: dict[str, type[Record]] = {
    "complexity": ComplexityRecord,
    "latency": LatencyRecord,
    "structure": StructureRecord,
    "variance": VarianceRecord,
    "expansions": ExpansionsRecord,
    "explain": ExplainRecord,
    "kernels/table4": ImplementationsRecord,
    "kernels/figure7": SweepRecord,
}
TRAININGS: dict[Task, type[TrainingRecord]] = {
    CLASSIFICATION: ClassificationRecord,
    DETECTION: DetectionRecord,
    TEXT: TextRecord,
    SEARCH: SearchRecord,
}


def kind_of(raw: Mapping[str, Any]) -> type[Record]:
    """The type of a record with these fields. Raises ValueError for an unknown kind."""
    kind = raw.get("kind")
    if kind == "training":
        run = raw.get("run")
        task = run.get("task") if isinstance(run, dict) else None
        found = TRAININGS.get(TASKS[task]) if isinstance(task, str) and task in TASKS else None
        return found or TrainingRecord
    name = raw.get("id") if kind == "kernels" else kind
    if not isinstance(name, str) or name not in MEASURES:
        raise ValueError(f"kind: there are no records of kind {str(name)[:80]!r}")
    skipped = raw.get("status") != "done" and not raw.get("metrics")
    return SkippedRecord if skipped else MEASURES[name]
