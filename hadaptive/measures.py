"""The kinds of measures by name: what a measure of each is, which module makes it, what it needs. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hadaptive.run import Measure, ModelMeasure, NamedMeasure


@dataclass(frozen=True)
class Kind:
    """`module` has `record(measure)`, which returns the record; of a kind with `gpu`, `record(measure, gpu, limit_s)`.

    Complexity and latency also write and read exported models: rules and verbs of their own call them.
    """

    measure: type[Measure]
    module: str
    gpu: bool = False  # measured on a GPU where there is one
    alone: bool = False  # nothing else runs beside it
    with_ach: tuple[str, ...] = ()  # modules it uses for our models only, so ACH measures no baseline again


MODEL = "hadaptive.measure.record"
FAST_FORM = ("hadaptive.measure.fast_form",)
MEASURES = {
    "complexity": Kind(ModelMeasure, MODEL, with_ach=FAST_FORM),
    "latency": Kind(ModelMeasure, MODEL, gpu=True, alone=True, with_ach=FAST_FORM),
    "structure": Kind(ModelMeasure, "hadaptive.measure.structure"),
    "kernels": Kind(NamedMeasure, "hadaptive.measure.bench_kernels.paper", gpu=True, alone=True),
    "variance": Kind(Measure, "hadaptive.measure.variance"),
    "explain": Kind(NamedMeasure, "hadaptive.explain.record"),
    "expansions": Kind(Measure, "hadaptive.measure.expansions"),
}
EXPORTED = ("complexity", "latency")


def parse(text: str) -> Measure:
    """The measure of that JSON, as `Measure.dumps` writes it."""
    return MEASURES[json.loads(text)["kind"]].measure.model_validate_json(text)
