"""An ONNX file in fewer bits, for comparison only: another function, so never a form in which a model is reported."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16

from hadaptive.measure.export import INPUT


def half(source: Path, target: Path) -> Path:
    """Write `source` to `target` with weights and all between input and output in float16."""
    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), target)
    return target


def int8(source: Path, target: Path, image_1CHW: NDArray[Any]) -> Path:
    """Write `source` to `target` in 8 bits: weights by channel, activations in the range that they have for this image.

    Weights have 7 bits: without VNNI a processor adds two products of 8 bits in 16, which overflows.
    """
    with _without_advice():
        quantize_static(
            source,
            target,
            _Image(image_1CHW),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )
    return target


class _Image(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, image_1CHW: NDArray[Any]) -> None:
        self.left = iter([{INPUT: image_1CHW}])

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self.left, None)


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """ONNX Runtime logs that a file should be preprocessed first; what it does then, `session` does to all files."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
