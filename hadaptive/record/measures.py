"""What the records of measures hold. Imports no torch."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from hadaptive.record.parts import Count, Fraction, Milliseconds, NotNegative, Part, Positive, Record, Text


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


class Detector(Complexity):
    parameters_backbone: Count


class Detectors(Part):
    models: dict[str, dict[str, Detector]]  # model -> variant -> counts


class DetectorsRecord(Record):
    """Counts of Table 6."""

    kind: Literal["detectors"]
    metrics: Detectors


class TextModel(Part):
    parameters: Count
    in_out_channels: Positive
    mid_channels: Positive


class TextModels(Part):
    models: dict[str, dict[str, TextModel]]  # model -> variant -> counts


class TextModelsRecord(Record):
    """Counts of Table 13."""

    kind: Literal["text_models"]
    metrics: TextModels


class Summary(Part):
    """Repeated measurements of a time."""

    median_ms: Milliseconds | None = None
    mean_ms: Milliseconds | None = None
    iqr_ms: Milliseconds | None = None
    min_ms: Milliseconds | None = None
    blocks_ms: list[Milliseconds] = []  # medians of consecutive runs; older records lack them


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
    """A model with one implementation of ACH."""

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
        """Return one of pointwise, ghost and ach."""
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
        variants = {model.variant for model in self.metrics.nets}
        if self.status == "done" and len(variants) < 2:
            raise ValueError("one of the two nets is missing")
        if len({len(model.layers) for model in self.metrics.nets}) > 1:
            raise ValueError("its nets have different numbers of layers")
        return self
