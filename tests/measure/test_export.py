from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
from torch import Tensor, nn

from hadaptive.measure.export import OPSET, export_onnx
from hadaptive.measure.inference import inference_form
from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.zoo import create_model


def lively(model: nn.Module) -> nn.Module:
    """Batch norms with statistics and affine parameters as after training, so that a wrong fold shows."""
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(part.weight, 0.5, 1.5)
    return model


def small() -> nn.Module:
    ach = AdaptiveCrossHadamard(8, 4)
    return lively(nn.Sequential(nn.Conv2d(3, 8, 3), ach, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(14, 5)))


def run(path: Path, image: Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["logits"], {"image": image.numpy()})[0])


def disagreement(model: nn.Module, path: Path, image: Tensor) -> float:
    """Largest difference between ONNX Runtime and PyTorch, relative to the largest output."""
    with torch.no_grad():
        expected = inference_form(model)(image)
    return float(np.abs(run(path, image) - expected.numpy()).max() / expected.abs().max())


@pytest.mark.parametrize(
    ("name", "fast"), [("hadaptive_net_s", True), ("hadaptive_net_s", False), ("mobileone_s0", True)]
)
def test_agrees_with_pytorch(name: str, fast: bool, tmp_path: Path) -> None:
    model = lively(create_model(name, 10))
    path = export_onnx(model, tmp_path / "model.onnx", 64, fast=fast)
    assert disagreement(model, path, torch.randn(1, 3, 64, 64)) < 1e-5
    assert model.training


@pytest.mark.parametrize("fast", [True, False])
def test_a_free_batch_serves_every_batch(fast: bool, tmp_path: Path) -> None:
    model = small()
    path = export_onnx(model, tmp_path / "model.onnx", 16, dynamic_batch=True, fast=fast)
    for batch in (1, 2, 5):
        assert disagreement(model, path, torch.randn(batch, 3, 16, 16)) < 1e-5


def test_one_plain_standard_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = export_onnx(small(), tmp_path / "new" / "model.onnx", 16)
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    assert capfd.readouterr() == ("", "")
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", OPSET)]
    assert {node.domain for node in model.graph.node} == {""}
    assert [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim] == [1, 3, 16, 16]
    assert str(Path(torch.__file__).parent).encode() not in path.read_bytes()
    assert b".py" not in path.read_bytes()


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    model = small()
    first, second = (export_onnx(model, tmp_path / name, 16).read_bytes() for name in ("a.onnx", "b.onnx"))
    assert first == second


def test_training_memory_order_and_gradients_stay(tmp_path: Path) -> None:
    model = small().to(memory_format=torch.channels_last)
    weight = next(model.parameters())
    path = export_onnx(model, tmp_path / "model.onnx", 16)
    assert disagreement(model, path, torch.randn(1, 3, 16, 16)) < 1e-5
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert weight.requires_grad


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")

    def full(self: Path, data: bytes) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        export_onnx(nn.Conv2d(3, 2, 1), path, 8)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
