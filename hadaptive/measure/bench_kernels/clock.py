"""How long a call takes, on the CPU or a GPU, and several ways of one thing side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch._C._autograd import DeviceType

from hadaptive.cuda_graph import captured
from hadaptive.measure.statistics import summary

NO_GPU = {"status": "no CUDA device"}
SCRUB_BYTES = 2**29  # ten times the largest L2 cache there is


@dataclass(frozen=True)
class Case:
    """One way of doing something: what is timed, and what happens untimed before it and gives its argument."""

    call: Callable[..., Any]
    before: Callable[[], Any] | None = None

    def once(self) -> Any:
        """Do it, untimed."""
        return self.call() if self.before is None else self.call(self.before())


class CpuClock:
    """Wall-clock time on the CPU."""

    device = torch.device("cpu")

    def time_us(self, case: Case) -> float:
        """Return the microseconds of one call."""
        arguments = () if case.before is None else (case.before(),)
        start = time.perf_counter_ns()
        case.call(*arguments)
        return (time.perf_counter_ns() - start) / 1e3

    def extras(self, case: Case) -> dict[str, Any]:
        """Return further measurements of a case: on the CPU none."""
        return {}


class GpuClock:
    """Time between events on the current CUDA device."""

    def __init__(self) -> None:
        self.device = torch.device("cuda", torch.cuda.current_device())

    @cached_property
    def _scrub(self) -> torch.Tensor:
        """Memory that is written to empty the L2 cache; a clock of idle devices needs none."""
        return torch.empty(SCRUB_BYTES // 4, dtype=torch.int32, device=self.device)

    def _between_events_us(self, call: Callable[[], Any]) -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        start.record()
        call()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end) * 1e3)

    def time_us(self, case: Case) -> float:
        """Time one call with a cold L2 cache, in microseconds; the launches hide behind the writes that empty it."""
        arguments = () if case.before is None else (case.before(),)
        torch.cuda.synchronize()
        for _ in range(2):
            self._scrub.zero_()
        return self._between_events_us(lambda: case.call(*arguments))

    def idle_us(self, call: Callable[[], Any]) -> float:
        """Return the microseconds of one call on an idle device, so that launches count."""
        torch.cuda.synchronize()
        return self._between_events_us(call)

    def captured(self, call: Callable[[], Any], times: int = 1) -> torch.cuda.CUDAGraph:
        """Capture `times` calls in a row as one CUDA graph."""
        return captured(call, times)

    def graph_us(self, call: Callable[[], Any], times: int = 10, replays: int = 9) -> float:
        """Return the microseconds of one of `times` calls in a CUDA graph, median of `replays`: warm cache."""
        graph = self.captured(call, times)
        graph.replay()
        return statistics.median(self.idle_us(graph.replay) for _ in range(replays)) / times

    def launches(self, call: Callable[[], Any]) -> int:
        """Return kernels, copies and fills that one call asks of the device."""
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            call()
            torch.cuda.synchronize()
        return sum(event.device_type == DeviceType.CUDA for event in profile.events())

    def peak_bytes(self, call: Callable[[], Any]) -> int:
        """Return device memory that one call needs at most beyond what is there before."""
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before

    def extras(self, case: Case) -> dict[str, Any]:
        """Launches and peak memory, and the time without launches where nothing need come before the call."""
        counted = {"launches": attempt(self.launches, case.once)}
        if case.before is not None:
            return counted
        graph_us = attempt(self.graph_us, case.call)
        return {**counted, "peak_bytes": attempt(self.peak_bytes, case.call), "graph_us": graph_us}


Clock = CpuClock | GpuClock


def why(error: Exception) -> str:
    """Return a failure in one line, for a record."""
    if isinstance(error, torch.cuda.OutOfMemoryError):
        torch.cuda.empty_cache()
        return "out of memory"
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"


def attempt(call: Callable[..., Any], *arguments: Any) -> Any:
    """Return a call's result, or {"status": why not}: one way that fails must not cost the others their numbers."""
    try:
        return call(*arguments)
    except Exception as error:
        return {"status": why(error)}


def side_by_side(
    cases: Mapping[str, Case], time_us: Callable[[Case], float], rounds: int, base: str = "native"
) -> dict[str, dict[str, Any]]:
    """Time each case, in rounds that take one of each in turn, so that what else the machine does meets all alike.

    For each: status "done" or the reason, median, quartiles, and `times_faster` than `base`: the median over the rounds
    of the ratio within a round.
    """
    failed = {name: status for name, case in cases.items() if (status := attempt(_warm, case)) is not None}
    times: dict[str, list[float]] = {name: [] for name in cases if name not in failed}
    for _ in range(rounds):
        for name in times:
            times[name].append(time_us(cases[name]))
    results: dict[str, dict[str, Any]] = dict(failed)
    for name, times_us in times.items():
        results[name] = {"status": "done", "rounds": rounds}
        results[name] |= {key.replace("_ms", "_us"): value for key, value in summary(times_us).items()}
        if base in times:
            ratios = [theirs / ours for theirs, ours in zip(times[base], times_us, strict=True)]
            results[name]["times_faster"] = statistics.median(ratios)
    return {name: results[name] for name in cases}


def _warm(case: Case) -> None:
    for _ in range(3):
        case.once()


def copy_gb_per_s(clock: Clock, size: int, rounds: int = 15) -> float:
    """Return the bandwidth of copying `size` bytes within memory: bytes read and written a nanosecond, median."""
    source = torch.ones(size // 4, device=clock.device)
    target = torch.empty_like(source)
    case = Case(lambda: target.copy_(source))
    _warm(case)
    return 2 * size / statistics.median(clock.time_us(case) for _ in range(rounds)) / 1e3
