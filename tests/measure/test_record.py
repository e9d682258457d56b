from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest

from hadaptive.errors import UserError
from hadaptive.measure.complexity import complexity
from hadaptive.measure.record import describe, latency
from hadaptive.nn.zoo import create_model
from hadaptive.run import ModelMeasure

HEAD = {"schema", "id", "scale", "kind", "status", "model", "variant", "options", "settings", "metrics", "environment"}


def measure(kind: Literal["complexity", "latency"], model: str, variant: str = "base", **options: Any) -> ModelMeasure:
    settings = {"image_size": 64, "num_classes": 10, "runs": 3, "warmup": 1, "threads": 1}
    return ModelMeasure(scale="demo", kind=kind, model=model, variant=variant, options=options, settings=settings)


def test_complexity(tmp_path: Path) -> None:
    record = describe(
        measure("complexity", "hadaptive_net_s", "batchnorm", norm="batchnorm"),
        tmp_path / "model.onnx",
        tmp_path / "plain.onnx",
    )
    assert set(record) == HEAD and (tmp_path / "model.onnx").stat().st_size > 1e6
    assert (record["id"], record["kind"]) == ("complexity/hadaptive_net_s/batchnorm", "complexity")
    assert record["metrics"] == complexity(create_model("hadaptive_net_s", 10, norm="batchnorm"), 64)
    assert record["metrics"] != complexity(create_model("hadaptive_net_s", 10), 64)
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_latency(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no adb
    describe(measure("complexity", "mobileone_s0"), tmp_path / "model.onnx", tmp_path / "plain.onnx")
    record = latency(measure("latency", "mobileone_s0"), tmp_path / "model.onnx", tmp_path / "plain.onnx", gpu=False)
    assert set(record) == HEAD
    assert (record["id"], record["status"]) == ("latency/mobileone_s0/base", "done")
    cpu = record["metrics"]["cpu"]
    assert (cpu["status"], cpu["runs"], cpu["threads"]) == ("done", 3, 1) and cpu["median_ms"] > 0
    assert record["metrics"]["cpu_plain"] == {"status": "the file of cpu: there is no ACH to rewrite"}
    assert cpu["mean_ms"] > 0
    assert record["metrics"]["gpu"] == record["metrics"]["gpu_onnx"] == {"status": "no CUDA device"}
    assert record["metrics"]["mobile"] == {"status": "adb not installed"}
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_on_a_gpu_onnx_runtime_is_asked_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    timed = {"status": "done", "median_ms": 1.0, "mean_ms": 1.1, "device": "A GPU"}
    monkeypatch.setattr("hadaptive.measure.gpu_latency.gpu_latency", lambda *_, **__: timed)
    asked: dict[str, Any] = {}
    monkeypatch.setattr("hadaptive.measure.latency.cuda_latency", lambda file, **how: asked.update(how) or timed)
    absent = tmp_path / "absent.onnx"
    absent.write_bytes(b"not a model")
    got = latency(measure("latency", "mobileone_s0"), absent, absent, gpu=True)["metrics"]
    assert got["gpu"] == got["gpu_onnx"] == timed
    assert asked == {"image_size": 64, "device": "A GPU", "runs": 3, "warmup": 1}


def test_both_forms_of_ours_are_measured(tmp_path: Path) -> None:
    files = tmp_path / "model.onnx", tmp_path / "plain.onnx"
    describe(measure("complexity", "hadaptive_net_s"), *files)
    record = latency(measure("latency", "hadaptive_net_s"), *files, gpu=False)
    assert record["metrics"]["cpu"]["status"] == record["metrics"]["cpu_plain"]["status"] == "done"


def test_a_file_onnx_runtime_cannot_run_is_a_reason(tmp_path: Path) -> None:
    absent = tmp_path / "absent.onnx"
    absent.write_bytes(b"not a model")
    got = latency(measure("latency", "mobileone_s0"), absent, absent, gpu=False)["metrics"]["cpu"]
    assert list(got) == ["status"] and "absent.onnx" in got["status"]


def test_unknown_model_and_option_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"starnet_s1"):
        describe(measure("complexity", "starnet_s11"), tmp_path / "model.onnx", tmp_path / "plain.onnx")
    with pytest.raises(UserError, match=r"hadaptive_net_s.*nom"):
        describe(
            measure("complexity", "hadaptive_net_s", nom="dysoft"), tmp_path / "model.onnx", tmp_path / "plain.onnx"
        )


def test_measuring_cpu_latency_loads_no_torch(tmp_path: Path) -> None:
    describe(measure("complexity", "mobilenetv3_small_100"), tmp_path / "model.onnx", tmp_path / "plain.onnx")
    code = (
        "import sys; from pathlib import Path; from hadaptive.run import ModelMeasure;"
        "from hadaptive.measure.record import latency;"
        "got = latency(ModelMeasure.model_validate_json(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), gpu=False);"
        "assert got['metrics']['cpu']['status'] == 'done', got; assert 'torch' not in sys.modules"
    )
    words = [
        measure("latency", "mobilenetv3_small_100").dumps(),
        str(tmp_path / "model.onnx"),
        str(tmp_path / "plain.onnx"),
    ]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
