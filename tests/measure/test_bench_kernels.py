"""The kernel bench without a GPU: its wiring on a clock that pretends, its reports and deadlines; no times."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from hadaptive.measure.bench_kernels import nets, paper, phases, report
from hadaptive.measure.bench_kernels.clock import NO_GPU, Case, CpuClock, GpuClock, attempt, side_by_side
from hadaptive.measure.bench_kernels.expansion import Problem, Shape, ach_shapes
from hadaptive.nn import zoo
from hadaptive.run import NamedMeasure

TINY = phases.Sizes(batch=2, copy_bytes=2**12, nets=("hadaptive_net_s",), image_size=32, rounds=2)
SHAPE = Shape("hadaptive_net_s", channels=6, k=3, size=4)


class Pretend(GpuClock):
    """What a GPU is asked, answered by the CPU."""

    def __init__(self) -> None:
        self.device = torch.device("cpu")

    def time_us(self, case: Case) -> float:
        return CpuClock().time_us(case)

    def idle_us(self, call: Callable[[], Any]) -> float:
        return CpuClock().time_us(Case(call))

    def captured(self, call: Callable[[], Any], times: int = 1) -> Any:
        return type("Graph", (), {"replay": staticmethod(lambda: [call() for _ in range(times)])})

    def launches(self, call: Callable[[], Any]) -> int:
        call()
        return 7

    def peak_bytes(self, call: Callable[[], Any]) -> int:
        call()
        return 11


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nets are built as on the CPU; the list says which implementations were asked for."""
    asked: list[str] = []

    def create_model(name: str, num_classes: int = 100, *, implementation: str, **options: Any) -> Any:
        asked.append(implementation)
        return zoo.create_model(name, num_classes, **options)

    monkeypatch.setattr(nets, "create_model", create_model)
    return asked


def test_shapes_are_those_of_the_nets() -> None:
    found = {(s.net[-1], s.channels, s.k, s.size): s.layers for s in ach_shapes()}
    assert found[("s", 96, 16, 14)] == 4 and found[("s", 128, 32, 7)] == 2
    assert {key: layers for key, layers in found.items() if key[0] == "l"} == {
        ("l", 192, 32, 14): 8,
        ("l", 256, 36, 7): 2,
        ("l", 256, 36, 3): 2,
    }


@pytest.mark.parametrize(("what", "elements"), [("forward", 6 + 9), ("backward", 9 + 3 + 6), ("training", 33)])
def test_bytes_are_the_least_that_must_move(what: str, elements: int) -> None:
    problem = Problem(SHAPE, what, batch=5, dtype="bf16", layout="nchw")
    assert problem.bytes_moved() == 5 * 16 * 2 * elements


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("what", ["forward", "training", "backward"])
def test_ways_of_a_problem_agree(what: str, layout: str) -> None:
    problem = Problem(SHAPE, what, batch=2, dtype="fp32", layout=layout)
    given = problem.inputs(torch.device("cpu"))
    native, auto = (problem.case(given, name).once() for name in ("native", "auto"))
    assert native.shape == ((2, 9, 4, 4) if what == "forward" else (2, 6, 4, 4))
    torch.testing.assert_close(auto, native)
    assert native.requires_grad is False


def test_rounds_take_each_in_turn_and_ratios_are_within_a_round() -> None:
    order: list[str] = []
    times = {"native": iter([10.0, 100.0, 20.0]), "other": iter([5.0, 25.0, 20.0])}
    cases = {name: Case(lambda name=name: name) for name in times}

    def time_us(case: Case) -> float:
        order.append(case.call())
        return next(times[order[-1]])

    found = side_by_side(cases, time_us, rounds=3)
    assert order == ["native", "other"] * 3
    assert found["other"]["times_faster"] == 2.0 and found["native"]["times_faster"] == 1.0
    assert (found["other"]["median_us"], found["other"]["rounds"]) == (20.0, 3)


def test_a_way_that_fails_costs_the_others_nothing() -> None:
    def fails() -> None:
        raise ValueError("no such thing\nsecond line")

    def full() -> None:
        raise torch.cuda.OutOfMemoryError("much text")

    found = side_by_side({"native": Case(lambda: 0), "bad": Case(fails), "big": Case(full)}, CpuClock().time_us, 2)
    assert found["bad"] == {"status": "ValueError: no such thing"}
    assert found["big"] == {"status": "out of memory"}
    assert found["native"]["status"] == "done"
    assert attempt(fails) == found["bad"]


def a_report(tmp_path: Path, budget_s: float = 100) -> tuple[report.Report, list[float]]:
    now = [0.0]
    return report.Report(tmp_path / "record.json", {"device": {}}, budget_s, clock=lambda: now[0]), now


def read(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "record.json").read_text())
    return found


def test_a_phase_is_cut_off_and_keeps_its_rows(tmp_path: Path) -> None:
    growing, now = a_report(tmp_path)

    def rows() -> Iterator[dict[str, Any]]:
        for n in range(10):
            if n:
                assert len(read(tmp_path)["cpu"]["slow"]["rows"]) == n, "each row is saved before the next begins"
            now[0] += 4
            yield {"n": n}

    growing.phase("cpu", "slow", 0.1, rows)
    entry = read(tmp_path)["cpu"]["slow"]
    assert entry == {"status": "cut off after 12 s", "rows": [{"n": 0}, {"n": 1}, {"n": 2}], "seconds": 12}


def test_the_budget_and_failures_do_not_stop_what_follows(tmp_path: Path) -> None:
    growing, now = a_report(tmp_path, budget_s=5)

    def fails() -> Iterator[dict[str, Any]]:
        yield {"n": 0}
        raise RuntimeError("boom")

    growing.phase("cpu", "fails", 1, fails)
    growing.phase("cpu", "works", 1, lambda: [{"n": 1}])
    now[0] = 6
    growing.phase("cpu", "late", 1, lambda: [{"n": 2}])
    said = {name: (entry["status"], len(entry["rows"])) for name, entry in read(tmp_path)["cpu"].items()}
    assert said == {
        "fails": ("RuntimeError: boom", 1),
        "works": ("done", 1),
        "late": ("not begun: the 5 s were used up", 0),
    }


def test_without_a_gpu_every_gpu_entry_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phases, "cpu_phases", lambda *_: None)
    record = phases.bench_kernels(tmp_path / "record.json", threads=1, gpu=False)
    written = read(tmp_path)
    assert record == {name: written[name] for name in record} and record["status"] == "done"
    assert set(record["gpu"]) == set(phases.GPU_PHASES)
    assert all(entry == NO_GPU for entry in record["gpu"].values())


def test_cpu_phases(tmp_path: Path, built: list[str]) -> None:
    growing, _ = a_report(tmp_path)
    eager = {name: way for name, way in phases.CPU_WAYS.items() if not way[1]}
    phases.cpu_phases(growing, CpuClock(), TINY, eager)
    record = read(tmp_path)
    assert {name: entry["status"] for name, entry in record["cpu"].items()} == dict.fromkeys(phases.CPU_PHASES, "done")
    row = record["cpu"]["training"]["rows"][0]
    assert (row["net"], row["channels"], row["k"], row["pass"], row["batch"]) == (
        "hadaptive_net_s",
        96,
        16,
        "training",
        2,
    )
    assert set(row["ways"]) == {"native", "auto"} and row["ways"]["auto"]["difference"] < 1e-5
    assert row["ways"]["auto"]["gb_per_s"] == pytest.approx(row["bytes"] / row["ways"]["auto"]["median_us"] / 1e3)
    assert set(built) == {"native", "auto"}
    shown = report.table(record)
    assert "cpu training: done" in shown and "S 96ch k16 2px batch 2 fp32 nhwc" in shown


def test_compiled_is_one_of_the_ways(tmp_path: Path) -> None:
    problem = Problem(SHAPE, "training", batch=2, dtype="fp32", layout="nchw")
    given = problem.inputs(torch.device("cpu"))
    torch.testing.assert_close(problem.case(given, "auto", compiled=True).once(), problem.case(given, "native").once())


@pytest.mark.slow
def test_gpu_phases(tmp_path: Path, built: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phases, "_gpu", lambda clock: {"gpu": "none, a test"})
    monkeypatch.setattr(phases, "ach_shapes", lambda *_: [SHAPE, SHAPE])
    growing, _ = a_report(tmp_path)
    ways = {name: way for name, way in phases.GPU_WAYS.items() if not way[1]}
    monkeypatch.setattr(nets, "LAYOUTS", {"nchw": torch.contiguous_format})
    monkeypatch.setattr(torch.nn.Module, "compile", lambda *_, **__: None)
    phases.gpu_phases(growing, Pretend(), TINY, ways)
    record = read(tmp_path)
    assert {name: entry["status"] for name, entry in record["gpu"].items()} == dict.fromkeys(phases.GPU_PHASES, "done")
    fused = record["gpu"]["forward"]["rows"][0]["ways"]["fused"]
    assert (fused["launches"], fused["peak_bytes"]) == (7, 11) and fused["graph_us"] > 0
    refused = record["gpu"]["forward"]["rows"][0]["ways"]["parity_balanced"]
    assert "needs a CUDA GPU" in refused["status"], "the paper's schemes do not run here, and say so"
    ways_of_nets = {(row["implementation"], row["compiled"]) for row in record["gpu"]["latency"]["rows"]}
    assert ways_of_nets == {(name, False) for name in nets.IMPLEMENTATIONS} | {("native", True), ("fused", True)}
    assert record["gpu"]["latency"]["rows"][0]["graph"]["median_ms"] > 0
    assert record["gpu"]["training_nets"]["rows"][0]["ways"]["native"]["peak_bytes"] == 11
    assert "hadaptive_net_s nchw fused compiled" in report.table(record)


FIGURE7 = {"batches": [1, 2], "channels": [3, 4], "sizes": [2, 3, 4], "fixed_channels": 3, "fixed_batch": 2, "runs": 2}
TABLE4 = {
    "model": "hadaptive_net_s",
    "options": {"norm": "dysoft"},
    "num_classes": 10,
    "image_size": 32,
    "runs": 2,
    "warmup": 1,
}


@pytest.mark.parametrize(("name", "settings"), [("table4", TABLE4), ("figure7", FIGURE7)])
def test_a_record_without_a_gpu(name: Any, settings: dict[str, Any]) -> None:
    found = paper.record(NamedMeasure(kind="kernels", scale="demo", name=name, settings=settings), gpu=False)
    assert (found["id"], found["kind"], found["status"]) == (f"kernels/{name}", "kernels", "no CUDA device")
    assert found["metrics"] == {} and found["settings"] == settings
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_figure7_measures_every_cell() -> None:
    found = paper.figure7(Pretend(), FIGURE7)
    assert [(cell["batch"], cell["size"]) for cell in found["a"]] == [(b, s) for b in (1, 2) for s in (2, 3, 4)]
    assert [(cell["channels"], cell["size"]) for cell in found["b"]] == [(c, s) for c in (3, 4) for s in (2, 3, 4)]
    for cell in (*found["a"], *found["b"]):
        assert cell["status"] == "done" and cell["direct_indexing_us"] > 0 and cell["parity_balanced_us"] > 0


def test_a_cell_of_figure7_has_the_spread_of_its_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, times = Pretend(), iter([10.0, 100.0, 20.0, 100.0, 30.0, 100.0, 40.0, 100.0, 50.0, 100.0])
    monkeypatch.setattr(clock, "idle_us", lambda _: next(times) * paper.CALLS)
    assert paper.cell(clock, 2, 3, 4, runs=5) == {
        "status": "done",
        "direct_indexing_us": 30.0,
        "direct_indexing_iqr_us": 20.0,
        "parity_balanced_us": 100.0,
        "parity_balanced_iqr_us": 0.0,
    }


def test_figure7_out_of_time_says_so_in_the_cells_left(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(100))
    monkeypatch.setattr(paper.time, "monotonic", lambda: next(seconds))
    monkeypatch.setattr(paper, "cell", lambda *_: {"status": "done"})
    found = paper.figure7(Pretend(), {**FIGURE7, "sizes": list(range(1, 9))}, limit_s=16)
    done = {cell["size"] for cell in found["a"] if cell["status"] == "done"}
    assert done == {1, 3, 5, 7}, "sizes are taken from coarse to fine"
    assert {cell["status"] for cell in found["b"]} == {"done", "time was up"}


def test_table4_has_a_part_for_each_implementation(built: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = paper.table4(Pretend(), TABLE4)
    assert list(found) == built == ["native", "direct_indexing", "parity_balanced", "fused"]
    for said in found.values():
        assert (said["status"], said["launches"], said["eager"]["runs"]) == ("done", 7, 2)
        assert said["eager"]["median_ms"] > 0 and said["graph"]["median_ms"] > 0
    monkeypatch.setattr(paper, "build", lambda *_, **__: (_ for _ in ()).throw(ValueError("no fused here")))
    assert paper.table4(Pretend(), TABLE4)["fused"] == {"status": "ValueError: no fused here"}
    assert paper.table4(Pretend(), TABLE4, limit_s=-1)["native"] == {"status": "time was up"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_gpu_s_own_clock() -> None:
    clock = GpuClock()
    x = torch.randn(2**20, device="cuda")
    case = Case(lambda: x.mul(2).add(1))
    assert clock.launches(case.call) == 2
    assert clock.peak_bytes(case.call) == 2 * x.nbytes
    assert 0 < clock.graph_us(case.call) < clock.idle_us(case.call)
    assert clock.time_us(case) > 0
    assert paper.cell(clock, 2, 5, 7, runs=3)["status"] == "done"
