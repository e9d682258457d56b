from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hadaptive.measure import latency
from hadaptive.measure.latency import busyness, cpu_latency, cuda_latency
from hadaptive.measure.statistics import repeated, summary

LINUX = hasattr(os, "sched_getaffinity")


def test_summary_by_hand() -> None:
    expected = {"median_ms": 3.0, "mean_ms": 4.0, "q1_ms": 2.0, "q3_ms": 4.0, "iqr_ms": 2.0, "min_ms": 1.0}
    assert summary([10, 1, 2, 3, 4]) == expected
    times = [n // 50 for n in range(500)]
    assert repeated(times) == {**summary(times), "blocks_ms": [float(n) for n in range(10)]}
    assert repeated([1, 3])["blocks_ms"] == [1.0, 3.0]


def test_times_every_run_and_says_how(tiny_onnx: Path) -> None:
    got = cpu_latency(tiny_onnx, image_size=16, runs=5, warmup=2)
    assert got["status"] == "done"
    assert 0 < got["min_ms"] <= got["q1_ms"] <= got["median_ms"] <= got["q3_ms"]
    assert got["iqr_ms"] == got["q3_ms"] - got["q1_ms"]
    assert (got["runs"], got["warmup"], got["threads"], got["spinning"]) == (5, 2, 1, True)
    assert got["processor"] and len(got["blocks_ms"]) == 5
    assert got["runtime"].startswith("onnxruntime ")
    assert json.loads(json.dumps(got)) == got


@pytest.mark.skipif(not LINUX, reason="processes can be pinned on Linux alone")
def test_pins_while_it_measures_and_not_after(tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, pinned, pin = os.sched_getaffinity(0), [], os.sched_setaffinity

    def record(pid: int, cores: list[int]) -> None:
        pinned.append(list(cores))
        pin(pid, cores)

    monkeypatch.setattr(os, "sched_setaffinity", record)
    got = cpu_latency(tiny_onnx, image_size=16, runs=2, warmup=0)
    assert got["cores"] == [max(before)]
    assert pinned == [[max(before)], sorted(before)]
    assert os.sched_getaffinity(0) == before


def test_a_failure_restores_the_process(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    before = os.sched_getaffinity(0) if LINUX else None
    with pytest.raises(Exception, match=r"broken\.onnx"):
        cpu_latency(broken, image_size=16, runs=1)
    assert gc.isenabled()
    assert (os.sched_getaffinity(0) if LINUX else None) == before


def test_more_threads_than_cores_is_a_reason(tiny_onnx: Path) -> None:
    got = cpu_latency(tiny_onnx, image_size=16, runs=1, threads=10_000)
    assert list(got) == ["status"]
    assert got["status"].startswith("10000 threads asked for, ")


@pytest.mark.parametrize("wrong", [{"runs": 0}, {"warmup": -1}, {"threads": 0}])
def test_senseless_settings_are_said(tiny_onnx: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="need runs >= 1"):
        cpu_latency(tiny_onnx, image_size=16, **wrong)


def test_without_the_cuda_provider_the_reason_names_the_package(
    tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency.onnxruntime, "get_available_providers", lambda: [latency.CPU])
    got = cuda_latency(tiny_onnx, image_size=16, runs=1)
    assert got == {"status": "ONNX Runtime's CUDA provider not installed (package onnxruntime-gpu)"}


def test_a_cuda_provider_that_is_not_loaded_is_no_measurement(tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency.onnxruntime, "get_available_providers", lambda: [latency.CUDA, latency.CPU])
    on_cpu = latency.session(tiny_onnx, 1)  # what ONNX Runtime gives where CUDA's libraries are missing
    monkeypatch.setattr(latency, "session", lambda *_: on_cpu)
    got = cuda_latency(tiny_onnx, image_size=16, runs=1)
    assert list(got) == ["status"] and "cannot be loaded" in got["status"]


def test_with_the_provider_every_run_is_timed(tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "CUDA", latency.CPU)  # a provider that is here
    got = cuda_latency(tiny_onnx, image_size=16, runs=5, warmup=2, device="A GPU")
    assert (got["status"], got["runs"], got["device"]) == ("done", 5, "A GPU")
    assert got["mean_ms"] > 0 and got["median_ms"] > 0 and got["runtime"].endswith(f", {latency.CPU}")


def test_busyness_is_plausible() -> None:
    got = busyness()
    assert got["load_average"] >= 0
    if Path("/proc/loadavg").exists():
        assert got["other_running_tasks"] >= 0


def test_measures_in_a_process_without_torch(tiny_onnx: Path) -> None:
    program = (
        "import runpy, sys; runpy.run_module('hadaptive.measure.latency', run_name='__main__', alter_sys=True);"
        "sys.exit('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tiny_onnx), '{"image_size": 16, "runs": 2, "warmup": 0}']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runs"] == 2
