"""Memory that a training frees is used again, without the system in between."""

from __future__ import annotations

import multiprocessing
import resource

import pytest
import torch

from hadaptive.train.memory import keep_freed_memory

PAGES = 64 * 2**20 // resource.getpagesize()  # of an array of 64 MiB


def faults_of_arrays() -> int:
    """Pages that the system gives this process for arrays of which each is freed before the next is made."""
    for _ in range(16):  # glibc finds room for an aligned array only in a larger gap, so it takes some to have one
        torch.ones(2**24)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def counted() -> tuple[int, int] | None:
    """The same as glibc does by itself, and with freed memory kept."""
    torch.set_num_threads(1)
    given_back = faults_of_arrays()
    return (given_back, faults_of_arrays()) if keep_freed_memory() else None


def test_freed_arrays_are_used_again() -> None:
    # in a fresh process: once an allocation has failed, as in a test of that, glibc serves a thread from another arena
    with multiprocessing.get_context("spawn").Pool(1) as fresh:
        faults = fresh.apply(counted)
    if faults is None:
        pytest.skip("this C library has no mallopt")
    given_back, kept = faults
    assert given_back > 8 * PAGES // 1000  # or a 512th of that, in pages of 2 MiB
    assert kept < given_back // 10


def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert not keep_freed_memory()
