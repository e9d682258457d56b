"""Table 4: one record, a row an implementation; measured, partly measured, and without a GPU."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from hadaptive.paper.published import errata, published
from hadaptive.paper.spec import Row, Source, TableSpec
from hadaptive.paper.tables.render import render

TIMES = {"native": 11.1, "direct_indexing": 8.2, "parity_balanced": 8.0, "fused": 5.55}


def spec(**changes: Any) -> TableSpec:
    rows = [
        Row(model="hadaptive_net_l", variant=name, label=name.title(), published=name, cite="ours" * (name == "fused"))
        for name in TIMES
    ]
    fields = {
        "table": "table4",
        "scale": "gpu",
        "about": "batch 1",
        "rows": rows,
        "sources": {"table4": Source(record="kernels/table4")},
    }
    return TableSpec(**{**fields, **changes})


def part(ms: float) -> dict[str, Any]:
    return {"status": "done", "median_ms": ms, "mean_ms": ms, "iqr_ms": 0.1, "runs": 500}


def record(scale: str = "gpu", **changes: Any) -> dict[str, Any]:
    ways = {
        name: {"status": "done", "eager": part(ms), "graph": part(ms / 3), "launches": int(30 * ms)}
        for name, ms in TIMES.items()
    }
    return {"schema": 1, "id": "kernels/table4", "scale": scale, "status": "done", "settings": {"image_size": 224},
            "metrics": {"device": "A GPU", **ways}, **changes}  # fmt: skip


def read(path: Path) -> dict[str, dict[str, str]]:
    with path.open() as file:
        return {line["variant"]: line for line in csv.DictReader(file)}


def test_measured(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "results", record())
    names = [path.name for path in render(spec(), tmp_path / "results", tmp_path)]
    assert names == [f"table4{kind}.{end}" for kind in ("", "_compare") for end in ("tex", "md", "csv")]
    lines = read(tmp_path / "table4_compare.csv")
    for name, ms in TIMES.items():
        assert float(lines[name]["latency_ms"]) == ms
        assert float(lines[name]["latency_graph_ms"]) == pytest.approx(ms / 3)
        assert float(lines[name]["latency_times_faster"]) == pytest.approx(11.1 / ms)
        assert float(lines[name]["latency_graph_times_faster"]) == pytest.approx(11.1 / ms)
        assert lines[name]["latency_ms_published"] == published("table4").get(name, {}).get("latency_ms", "")
    parity = float(published("table4")["parity_balanced"]["latency_ms"])
    ratios = TIMES["parity_balanced"] / 11.1, parity / 12.40  # to native: another GPU than the paper's
    assert float(lines["parity_balanced"]["latency_ms_difference"]) == pytest.approx(ratios[0] - ratios[1])
    assert lines["fused"]["latency_ms_difference"] == ""
    text = (tmp_path / "table4.md").read_text()
    assert r"| Parity\_Balanced | 8.00 | 2.67 | 240 | 1.39 |" in text
    assert "A GPU" in text and "median of 500 runs" in text and "Scale `gpu`" in text and "emonstration" not in text


def test_the_papers_numbers_are_set_apart_and_errata_stand_beneath(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "results", record())
    render(spec(), tmp_path / "results", tmp_path)
    plain, compared = ((tmp_path / f"table4{kind}.tex").read_text() for kind in ("", "_compare"))
    assert "12.40" not in plain and "TITAN" not in plain
    assert r"\textit{12.40}" in compared and "TITAN" in compared
    found = {erratum.where for erratum in errata("table4")}
    assert {"Section 4.2, i from p", "Latency of Hadaptive-Net"} <= found
    assert compared.count(r"\textbullet") == len(found) and r"\textbullet" not in plain


def test_without_a_gpu_nothing_is_filled_in(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "results", record("demo", status="no CUDA device", metrics={}))
    render(spec(scale="demo", demonstration=True), tmp_path / "results", tmp_path)
    for line in read(tmp_path / "table4.csv").values():
        assert not [key for key, value in line.items() if key.startswith("latency") and key.endswith("_ms") and value]
        assert {line[f"{key}_reason"] for key in ("latency_ms", "launches", "latency_times_faster")} == {
            "no CUDA device"
        }
    text = (tmp_path / "table4.md").read_text()
    assert "Demonstration, not a result" in text and "no CUDA device" in text and "stand-in" not in text


def test_a_part_that_failed_says_why(write: Any, tmp_path: Path) -> None:
    broken = record()
    broken["metrics"]["native"] = {"status": "out of memory"}
    broken["metrics"]["fused"]["graph"] = {"status": "RuntimeError: not capturable"}
    write(tmp_path / "results", broken)
    render(spec(), tmp_path / "results", tmp_path)
    lines = read(tmp_path / "table4.csv")
    assert (lines["native"]["latency_ms"], lines["native"]["latency_ms_reason"]) == ("", "out of memory")
    assert lines["fused"]["latency_ms"] == "5.55" and lines["fused"]["latency_graph_ms"] == ""
    assert lines["fused"]["latency_graph_ms_reason"] == "RuntimeError: not capturable"
    assert lines["fused"]["latency_times_faster_reason"] == "native not measured"
