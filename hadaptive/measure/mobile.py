"""Latency on an Android device through adb, by ONNX Runtime's own `onnxruntime_perf_test`. Imports no torch.

That program is in none of ONNX Runtime's packages: build it for Android from its sources and name it in the environment
variable ANDROID_ORT_PERF_TEST. Shared libraries it needs (*.so) are taken from the folder it lies in.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hadaptive.measure.statistics import summary

PERF_TEST = "ANDROID_ORT_PERF_TEST"
_FOLDER = "/data/local/tmp/hadaptive"


class _AdbError(Exception):
    """adb, or what it ran on the device, failed; the message is what the record will say."""


def _adb(*words: str, timeout_s: float = 900) -> str:
    try:
        done = subprocess.run(
            ("adb", *words), capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _AdbError(f"adb failed: {error}") from None
    if done.returncode != 0:
        output = (done.stderr + done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
        raise _AdbError(f"adb failed: {output[-1]}")
    return done.stdout


def _attached() -> dict[str, str]:
    """Return model name by serial number of every device that is attached and lets us in."""
    lines = [line for line in _adb("devices", "-l", timeout_s=30).splitlines() if re.match(r"\S+\s+device\b", line)]
    return {line.split()[0]: (re.search(r"\bmodel:(\S+)", line) or ["", "unknown"])[1] for line in lines}


def _times_ms(serial: str, program: Path, onnx_path: Path, repeats: int, threads: int) -> list[float]:
    """Time `repeats` runs on the device, in milliseconds, from the lines `model,seconds,...` of its result file."""
    try:
        _adb("-s", serial, "shell", f"rm -rf {_FOLDER} && mkdir -p {_FOLDER}")
        for source, name in [(program, "perf_test"), (onnx_path, "model.onnx")]:
            _adb("-s", serial, "push", str(source), f"{_FOLDER}/{name}")
        for library in sorted(program.parent.glob("*.so")):
            _adb("-s", serial, "push", str(library), f"{_FOLDER}/{library.name}")
        run = f"./perf_test -I -e cpu -m times -r {repeats} -x {threads} -y 1 -o 99 model.onnx times.csv"
        _adb("-s", serial, "shell", f"cd {_FOLDER} && chmod 755 perf_test && LD_LIBRARY_PATH=. {run}")
        lines = _adb("-s", serial, "shell", f"cat {_FOLDER}/times.csv").splitlines()
        return [1e3 * float(line.split(",")[1]) for line in lines if line.count(",") >= 2]
    finally:
        _adb("-s", serial, "shell", f"rm -rf {_FOLDER}")


def mobile_latency(onnx_path: Path | str, *, runs: int = 500, warmup: int = 50, threads: int = 1) -> dict[str, Any]:
    """Measure one image on the attached Android device in milliseconds, on its CPU, without the first `warmup` runs.

    With several devices attached ANDROID_SERIAL chooses, as for adb itself. Cores are not pinned: the device decides.
    Returns `status` "done", the keys of `summary`, runs, warmup, threads, device; or only a `status` with the reason:
    no adb, no device, no program, or the last line of what failed.
    """
    if shutil.which("adb") is None:
        return {"status": "adb not installed"}
    try:
        devices = _attached()
        serial = os.environ.get("ANDROID_SERIAL") or next(iter(devices), None)
        if serial not in devices:
            return {"status": "no device attached through adb"}
        if not os.environ.get(PERF_TEST):
            return {"status": "onnxruntime_perf_test for Android not configured"}
        program = Path(os.environ[PERF_TEST]).expanduser()
        if not program.is_file():
            return {"status": f"{PERF_TEST} names no file"}
        times = _times_ms(serial, program, Path(onnx_path), warmup + runs, threads)[warmup:]
    except _AdbError as error:
        return {"status": str(error)}
    if len(times) != runs:
        return {"status": f"onnxruntime_perf_test reported {len(times)} of {runs} runs"}
    settings = {"runs": runs, "warmup": warmup, "threads": threads}
    return {"status": "done", **summary(times), **settings, "device": devices[serial]}
