"""Every convolution of every model under oneDNN, for each instruction set of this processor: exact, or named here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
# oneDNN's name of the instruction set -> PyTorch's, and what PyTorch says of a processor that has it
SETS = {"SSE41": ("default", "DEFAULT"), "AVX2": ("avx2", "AVX2"), "AVX512_CORE": ("avx512", "AVX512")}


def audited(name: str, *words: str) -> dict[str, Any]:
    """The report of tests/nn/gradient_worker.py under an instruction set."""
    best = torch.backends.cpu.get_cpu_capability()
    order = [capability for _, capability in SETS.values()]
    if best not in order or order.index(SETS[name][1]) > order.index(best):
        pytest.skip(f"this processor, or ATEN_CPU_CAPABILITY, has no {name}: PyTorch uses {best}")
    done = subprocess.run(
        [sys.executable, "-m", "tests.nn.gradient_worker", *words],
        cwd=ROOT,
        text=True,
        capture_output=True,
        env={
            **os.environ,
            "ONEDNN_MAX_CPU_ISA": name,
            "ATEN_CPU_CAPABILITY": SETS[name][0],
            "OMP_NUM_THREADS": "1",
            # uninitialised memory holds numbers that spoil a sum, instead of zeros that do not
            "MALLOC_PERTURB_": "63",
        },
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["cpu"] == SETS[name][1]
    return report


PLANTED = {"WrongGradient": "wrong gradient of weight", "Crash": "dies with exit code -6"}


def faults(report: dict[str, Any]) -> list[str]:
    """What is wrong with real layers; what was planted must have been found."""
    found = report["faults"]
    planted = {layer.partition("(")[0]: fault for layer, fault in found.items() if layer.endswith(" of no model")}
    assert set(planted) == set(PLANTED), "the audit finds what was planted"
    assert all(PLANTED[name] in fault for name, fault in planted.items())
    return [f"{layer}: {fault}" for layer, fault in found.items() if not layer.endswith(" of no model")]


@pytest.mark.parametrize(
    "name",
    [pytest.param("SSE41", marks=pytest.mark.slow), "AVX2", pytest.param("AVX512_CORE", marks=pytest.mark.slow)],
)
def test_every_convolution_is_exact(name: str) -> None:
    report = audited(name)
    assert report["layers"] > 400
    wrong = faults(report)
    assert not wrong, "\n".join(wrong)


def test_without_the_cure_the_audit_names_layer_and_model() -> None:
    wrong = faults(audited("AVX2", "uncured"))
    assert len(wrong) == 1 and wrong[0].startswith("Conv2d(3, 48, (1, 1), (2, 2)") and "mobileone_s0" in wrong[0], wrong
