"""What is written of a measurement: a model's complexity with its ONNX file, and its latency.

The process that measures CPU latency never loads torch, whose memory and threads would be measured with the model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hadaptive.records import SCHEMA, environment
from hadaptive.run import Measure


def record(measure: Measure, metrics: dict[str, Any]) -> dict[str, Any]:
    """The record of a measurement."""
    said = measure.model_dump(mode="json")
    return {
        "schema": SCHEMA,
        "id": measure.id,
        "status": "done",
        **said,
        "metrics": metrics,
        "environment": environment(),
    }


def build(measure: Measure) -> Any:
    """The measure's model with random weights from seed 0: neither operations nor time depend on them.

    Raises UserError for an unknown model or option.
    """
    import torch

    from hadaptive.errors import UserError
    from hadaptive.nn.zoo import create_model

    torch.manual_seed(0)
    try:
        return create_model(measure.model, num_classes=measure.settings["num_classes"], **measure.options)
    except (ValueError, TypeError) as error:
        raise UserError(f"{measure.model}, variant {measure.variant}: {error}; correct it in params.yaml") from None


def describe(measure: Measure, onnx: Path) -> dict[str, Any]:
    """Count the model and export it, by one construction of it; the record of its complexity."""
    from hadaptive.measure.complexity import complexity
    from hadaptive.measure.export import export_onnx

    model, image_size = build(measure), measure.settings["image_size"]
    export_onnx(model, onnx, image_size)
    return record(measure, complexity(model, image_size))


def latency(measure: Measure, onnx: Path, *, gpu: bool) -> dict[str, Any]:
    """The record of batch-1 latency on CPU, GPU and telephone, each done or with the reason why not.

    `gpu`: whether this machine has one, so that torch is loaded only where it is measured.
    """
    from hadaptive.measure.latency import cpu_latency
    from hadaptive.measure.mobile import mobile_latency

    image_size, threads = measure.settings["image_size"], measure.settings["threads"]
    timing = {"runs": measure.settings["runs"], "warmup": measure.settings["warmup"]}
    metrics: dict[str, Any] = {}
    try:
        metrics["cpu"] = cpu_latency(onnx, image_size=image_size, threads=threads, **timing)
    except Exception as error:  # ONNX Runtime has no error type of its own; a file it cannot run is a result
        metrics["cpu"] = {"status": f"ONNX Runtime failed: {str(error).splitlines()[0]}"}
    metrics["mobile"] = mobile_latency(onnx, threads=threads, **timing)
    metrics["gpu"] = {"status": "no CUDA device"}
    if gpu:
        from hadaptive.measure.gpu_latency import gpu_latency

        metrics["gpu"] = gpu_latency(build(measure), image_size=image_size, **timing)
    return record(measure, metrics)
