"""A spec of Table 7 with the paper's rows, and records for it with random numbers."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hadaptive.paper.published import published
from hadaptive.paper.spec import Row, TableSpec, record_ids
from tests.records import put

CITED = {
    "MobileNetV3": "Howard et al., 2019", "MobileOne": "Vasu et al., 2022", "Hadaptive": "ours",
    "ShuffleNetV2": "Ma et al., 2018", "MobileNetV4": "Qin et al., 2024", "StarNet": "Ma et al., 2024",
    "GhostNet": "Han et al., 2020", "GhostNetV3": "Liu et al., 2024",
}  # fmt: skip


def a_spec(**changes: Any) -> TableSpec:
    """Table 7 as the paper has it, three seeds, ImageNet absent; `changes` replace fields."""
    rows = []
    for n, label in enumerate(published("table7")):
        ours = label.startswith("Hadaptive")
        model, variant = label.lower().replace("-", "_").replace(".", "_"), "dysoft" if ours else "base"
        group = (n >= 6) + (n >= 12) + 1
        cite = CITED[label.split("-")[0]]
        rows.append(Row(model=model, variant=variant, label=label, cite=cite, ours=ours, group=group))
    fields: dict[str, Any] = {
        "table": "table7",
        "scale": "cpu",
        "about": "CIFAR-100, 64 px, 10 epochs, 20,000 training examples",
        "rows": rows,
        "sources": {
            "complexity": {},
            "latency": {},
            "cifar100": {"seeds": (0, 1, 2)},
            "imagenet1k": {"seeds": (0, 1, 2), "absent": "ImageNet-1k not present"},
        },
    }
    return TableSpec(**{**fields, **changes})


def a_record(spec: TableSpec, source: str, record_id: str, rng: random.Random) -> dict[str, Any]:
    """A finished record with random numbers, of the shape its kind has."""
    record: dict[str, Any] = {"schema": 1, "id": record_id, "scale": spec.scale, "status": "done"}
    if source == "complexity":
        parameters, macs = rng.randrange(10**6, 32 * 10**6), rng.randrange(50 * 10**6, 2200 * 10**6)
        record["settings"] = {"image_size": 224, "num_classes": 100}
        record["metrics"] = {
            "parameters": parameters + 1000, "parameters_inference": parameters,
            "macs": macs, "macs_training_form": macs + 10**6,
            "hadamard_products": 0, "flops": 2 * macs, "flops_all": 2 * macs, "macs_thop": macs + 2 * 10**6,
            "macs_thop_attention": macs + 3 * 10**6,
        }  # fmt: skip
    elif source == "latency":
        median = rng.uniform(1, 200)
        cpu = {"status": "done", "median_ms": median, "mean_ms": median, "iqr_ms": 0.1, "runs": 500, "threads": 1,
               "processor": "AMD EPYC 9V74", "runtime": "onnxruntime 1.31.0, CPUExecutionProvider"}  # fmt: skip
        gpu, mobile = {"status": "no CUDA device"}, {"status": "no device attached through adb"}
        record["metrics"] = {"cpu": cpu, "gpu": gpu, "mobile": mobile}
    else:
        top1 = rng.uniform(20, 80)
        record["metrics"] = {
            "top1_last": top1,
            "top5_last": top1 + 10,
            "top1_best_on_test": top1 + 1,
            "train_top1_last": top1 + 5,
        }
    return record


@pytest.fixture
def make_spec() -> Callable[..., TableSpec]:
    return a_spec


@pytest.fixture
def write() -> Callable[[Path, dict[str, Any]], Path]:
    return put


@pytest.fixture
def fill() -> Callable[[TableSpec, Path], dict[str, dict[str, Any]]]:
    """Writes every record a spec reads, with random numbers that are the same each time; returns them by id."""

    def fill(spec: TableSpec, root: Path) -> dict[str, dict[str, Any]]:
        rng = random.Random(7)
        made = {}
        for source in spec.sources:
            for row in spec.rows:
                for record_id in record_ids(spec, row, source) if spec.why_not(row, source) is None else ():
                    made[record_id] = a_record(spec, source, record_id, rng)
                    put(root, made[record_id])
        return made

    return fill
