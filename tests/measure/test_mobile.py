"""A stand-in for adb on PATH: "the device" is a folder, and shell commands run in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hadaptive.measure.mobile import PERF_TEST, mobile_latency

ADB = """#!/bin/sh
echo "$@" >> "{log}"
[ "$1" = devices ] && {{ printf '{devices}'; exit 0; }}
[ "$1" = -s ] && shift 2
case "$1" in
push) cp "$2" "{root}$3" ;;
shell) sh -c "$(echo "$2" | sed 's#/data#{root}/data#g')" ;;
esac
"""
ATTACHED = "List of devices attached\\nABC123\\tdevice usb:1-1 product:p model:Pixel_9 device:d\\n\\n"
# seconds of run i are (i + 1) ms, as the real program writes them: model, seconds, memory, CPU use, run
PERF = """#!/bin/sh
while [ "$1" != -r ]; do shift; done
i=0
while [ $i -lt $2 ]; do i=$((i + 1)); printf 'model,0.%03d,123,45,%d\\n' $i $((i - 1)) >> times.csv; done
printf '\\nMin Latency: 0.001 s\\n' >> times.csv
"""


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Installs adb with what it lists, and the program; returns the file that logs adb's calls."""

    def install(devices: str = ATTACHED, program: str | None = PERF) -> Path:
        binaries, root, log = tmp_path / "bin", tmp_path / "device", tmp_path / "log"
        binaries.mkdir()
        (root / "data/local/tmp").mkdir(parents=True)
        adb = binaries / "adb"
        adb.write_text(ADB.format(log=log, devices=devices, root=root))
        adb.chmod(0o755)
        monkeypatch.setenv("PATH", f"{binaries}:/usr/bin:/bin")
        monkeypatch.delenv("ANDROID_SERIAL", raising=False)
        monkeypatch.delenv(PERF_TEST, raising=False)
        if program is not None:
            named = tmp_path / "build" / "onnxruntime_perf_test"
            named.parent.mkdir()
            named.write_text(program)
            (named.parent / "libonnxruntime.so").touch()
            monkeypatch.setenv(PERF_TEST, str(named))
        return log

    return install


def test_runs_on_the_device_and_tidies_up(phone: Callable[..., Path], tiny_onnx: Path, tmp_path: Path) -> None:
    log = phone()
    got = mobile_latency(tiny_onnx, runs=5, warmup=2, threads=1)
    assert got == {
        "status": "done",
        "median_ms": pytest.approx(5),  # runs 3 to 7: the first two are warm-up
        "mean_ms": pytest.approx(5),
        "q1_ms": pytest.approx(4),
        "q3_ms": pytest.approx(6),
        "iqr_ms": pytest.approx(2),
        "min_ms": pytest.approx(3),
        "runs": 5,
        "warmup": 2,
        "threads": 1,
        "device": "Pixel_9",
    }
    calls = log.read_text()
    assert "-s ABC123 push" in calls
    assert "libonnxruntime.so" in calls
    assert "-m times -r 7 -x 1 -y 1 -o 99 model.onnx times.csv" in calls
    assert not list((tmp_path / "device/data/local/tmp").iterdir())


def test_without_adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_onnx: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert mobile_latency(tiny_onnx) == {"status": "adb not installed"}


@pytest.mark.parametrize(
    "listed", ["List of devices attached\\n\\n", "List of devices attached\\nX\\tunauthorized usb:1\\n"]
)
def test_without_a_device(phone: Callable[..., Path], listed: str, tiny_onnx: Path) -> None:
    phone(devices=listed)
    assert mobile_latency(tiny_onnx) == {"status": "no device attached through adb"}


def test_another_device_than_the_one_asked_for(
    phone: Callable[..., Path], tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone()
    monkeypatch.setenv("ANDROID_SERIAL", "OTHER")
    assert mobile_latency(tiny_onnx) == {"status": "no device attached through adb"}


def test_without_the_program(phone: Callable[..., Path], tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phone(program=None)
    assert mobile_latency(tiny_onnx) == {"status": "onnxruntime_perf_test for Android not configured"}
    monkeypatch.setenv(PERF_TEST, "nowhere")
    assert mobile_latency(tiny_onnx) == {"status": "ANDROID_ORT_PERF_TEST names no file"}


def test_a_program_that_fails_is_a_reason(phone: Callable[..., Path], tiny_onnx: Path, tmp_path: Path) -> None:
    phone(program="#!/bin/sh\necho 'cannot locate symbol' >&2\nexit 1\n")
    assert mobile_latency(tiny_onnx, runs=1) == {"status": "adb failed: cannot locate symbol"}
    assert not list((tmp_path / "device/data/local/tmp").iterdir())


def test_runs_that_went_missing_are_a_reason(phone: Callable[..., Path], tiny_onnx: Path) -> None:
    phone(program="#!/bin/sh\necho model,0.001,1,1,0 > times.csv\n")
    assert mobile_latency(tiny_onnx, runs=3, warmup=0) == {"status": "onnxruntime_perf_test reported 1 of 3 runs"}
