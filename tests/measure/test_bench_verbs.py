"""The verbs: `hadaptive bench ...`, `hadaptive measure` and `hadaptive figure`, as a person or a rule calls them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hadaptive import cli
from hadaptive.config import load
from hadaptive.study import Study

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HADAPTIVE_GPUS", "")


def test_a_rule_measures_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for measure in Study(load()).measures_of("kernels"):
        assert cli.main(["measure", measure.dumps()]) == 0
        record = json.loads((tmp_path / measure.folder / "record.json").read_text())
        assert (record["id"], record["status"]) == (measure.id, "no CUDA device")
    (tmp_path / "spec.json").write_text(Study(load()).figures["figure7"].model_dump_json())
    assert cli.main(["figure", "figure7", "--spec", "spec.json"]) == cli.main(["render", "table4"]) == 0
    made = {path.name for path in (tmp_path / "paper_tables").iterdir()}
    assert {"figure7.pdf", "figure7.png", "table4.tex", "table4_compare.md"} <= made
    assert "no CUDA device" in (tmp_path / "paper_tables/figure7.txt").read_text()
    assert "figure7.png" in capsys.readouterr().out


def test_a_reader_that_has_seen_enough_ends_a_list_without_a_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "hadaptive", "runs"]
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_an_unknown_figure_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["figure", "figure77"]) == 1
    assert "no figure 'figure77'. Did you mean 'figure7'?" in capsys.readouterr().err


def test_bench_kernels_writes_and_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hadaptive.measure.bench_kernels import phases

    monkeypatch.setattr(phases, "cpu_phases", lambda *_: None)
    assert cli.main(["bench", "kernels", "--threads", "1", "--out", "here.json"]) == 0
    record = json.loads((tmp_path / "here.json").read_text())
    assert record["settings"] == {"threads": 1, "budget_s": 540}
    assert "gpu training: no CUDA device" in capsys.readouterr().out


def test_bench_onnx_prints_the_ratios(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from hadaptive.measure import bench_onnx

    def onnx_ratios(models: list[str], runs: int, threads: int, low_precision: bool) -> dict[str, Any]:
        return {"models": models, "runs": runs, "threads": threads, "low_precision": low_precision}

    monkeypatch.setattr(bench_onnx, "onnx_ratios", onnx_ratios)
    assert cli.main(["bench", "onnx", "--runs", "3", "--threads", "1"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "models": ["mobilenetv3_small_100", "hadaptive_net_s", "hadaptive_net_m", "hadaptive_net_l"],
        "runs": 3,
        "threads": 1,
        "low_precision": False,
    }


@pytest.mark.slow
def test_the_cost_of_a_target_is_compared_with_fixed_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "workflow", "--target", "paper_tables/figure3.pdf"]) == 0
    cost = json.loads(capsys.readouterr().out)
    assert cost["ratio"] == pytest.approx(cost["processor_s"] / cost["calibration_processor_s"], rel=0.05)
    assert 0 < cost["first_output_s"] <= cost["longest_silence_s"] <= cost["wall_s"]


def test_a_target_that_cannot_be_made_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "workflow", "--target", "paper_tables/table99.tex"]) == 1
    assert "no rule makes paper_tables/table99.tex" in capsys.readouterr().err
