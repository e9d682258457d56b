"""What is written of a measurement: a model's complexity with its ONNX file, and its latency.

The process that measures CPU latency never loads torch, whose memory and threads would be measured with the model.
"""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hadaptive.record import envelope
from hadaptive.records import atomic
from hadaptive.run import ModelMeasure


def build(measure: ModelMeasure) -> Any:
    """Return the measure's model with random weights from seed 0: neither operations nor time depend on them.

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


def describe(measure: ModelMeasure, onnx: Path, plain: Path) -> dict[str, Any]:
    """Count the model and export it, by one construction of it; the record of its complexity.

    `onnx` gets the fastest form known of the same function, `plain` the model as it is written: equal without ACH.
    Of a retrofitted model the record also holds under `retrofit` what was replaced, with which k and why.
    """
    from hadaptive.measure.complexity import complexity
    from hadaptive.measure.export import export_onnx, has_fast_form

    model, image_size = build(measure), measure.settings["image_size"]
    export_onnx(model, onnx, image_size)
    if has_fast_form(model):
        export_onnx(model, plain, image_size, fast=False)
    else:
        with atomic(plain) as temporary:
            shutil.copyfile(onnx, temporary)
    fields = envelope(measure, complexity(model, image_size))
    if "retrofit" in measure.options:
        from hadaptive.nn.retrofit import report

        fields["retrofit"] = report(model)
    return fields


def latency(measure: ModelMeasure, onnx: Path, plain: Path, *, gpu: bool) -> dict[str, Any]:
    """Return the record of batch-1 latency on CPU, GPU and phone, each done or with the reason why not.

    The CPU runs both files of `describe`, as `cpu` and `cpu_plain`; the GPU runs the model in PyTorch (`gpu`) and the
    first file by ONNX Runtime (`gpu_onnx`). `gpu`: whether this machine has one, so that torch is loaded only there.
    """
    from hadaptive.measure.latency import cpu_latency, cuda_latency
    from hadaptive.measure.mobile import mobile_latency

    image_size, threads = measure.settings["image_size"], measure.settings["threads"]
    timing = {"runs": measure.settings["runs"], "warmup": measure.settings["warmup"]}
    metrics: dict[str, Any] = {"cpu_plain": {"status": "the file of cpu: there is no ACH to rewrite"}}
    for name, file in {"cpu": onnx, "cpu_plain": plain}.items():
        if name == "cpu_plain" and filecmp.cmp(onnx, plain, shallow=False):
            continue
        metrics[name] = _attempt(cpu_latency, file, image_size=image_size, threads=threads, **timing)
    metrics["mobile"] = mobile_latency(onnx, threads=threads, **timing)
    metrics |= {"gpu": {"status": "no CUDA device"}, "gpu_onnx": {"status": "no CUDA device"}}
    if gpu:
        from hadaptive.measure.gpu_latency import gpu_latency

        metrics["gpu"] = gpu_latency(build(measure), image_size=image_size, **timing)
        device = metrics["gpu"].get("device", "")  # torch has loaded the CUDA libraries that the provider needs
        metrics["gpu_onnx"] = _attempt(cuda_latency, onnx, image_size=image_size, device=device, **timing)
    return envelope(measure, metrics)


def _attempt(measured: Callable[..., dict[str, Any]], *arguments: Any, **settings: Any) -> dict[str, Any]:
    try:
        return measured(*arguments, **settings)
    except Exception as error:  # ONNX Runtime has no error type of its own; a file it cannot run is a result
        return {"status": f"ONNX Runtime failed: {str(error).splitlines()[0]}"}
