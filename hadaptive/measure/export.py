"""Export a model as an ONNX file, whose latency ONNX Runtime measures on a CPU, a GPU or a phone."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from hadaptive.measure.fast_form import fast_form
from hadaptive.measure.inference import inference_form
from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.records import atomic

OPSET = 18
INPUT, OUTPUT = "image", "logits"


def has_fast_form(model: nn.Module) -> bool:
    """Return whether `model` has an ACH layer, and with it a form that is measured besides its inference form."""
    return any(isinstance(part, AdaptiveCrossHadamard) for part in model.modules())


def _form(model: nn.Module, fast: bool) -> nn.Module:
    return fast_form(model) if fast and has_fast_form(model) else inference_form(model)


def export_onnx(
    model: nn.Module, path: Path | str, image_size: int = 224, dynamic_batch: bool = False, fast: bool = True
) -> Path:
    """Write `model` to one self-contained ONNX file: float32, standard operators, opset 18.

    Input `image` [1, 3, image_size, image_size], output `logits` [1, classes]. With `dynamic_batch` both have a free
    batch axis instead; a graph that computes shapes at run time is slower at batch 1 for some models (ours, where each
    sample selects its own channels; GhostNetV3, which upsamples), so latency is measured on the fixed one.

    `fast`: a model with ACH in its fast form (`fast_form`), the same function; False, and every model without ACH: in
    its inference form. The file appears whole or not at all and holds no source paths.

    Raises what the model raises for such an image, and torch.onnx's own error for operators that ONNX does not define.
    """
    path = Path(path)
    # torch.export treats a batch of 1 as a constant, so a free batch is traced with 2.
    example = torch.zeros(2 if dynamic_batch else 1, 3, image_size, image_size)
    program = torch.onnx.export(
        _form(model, fast),
        (example,),
        input_names=[INPUT],
        output_names=[OUTPUT],
        opset_version=OPSET,
        dynamic_shapes=({0: torch.export.Dim("batch")},) if dynamic_batch else None,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # stack traces, with the paths of this machine
    proto = program.model_proto
    assert not proto.functions
    assert {node.domain for node in proto.graph.node} == {""}, "operators outside the standard"
    with atomic(path) as temporary:
        temporary.write_bytes(proto.SerializeToString())
    return path
