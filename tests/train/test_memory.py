"""Memory that a training frees is used again, without the system in between."""

from __future__ import annotations

import os
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


def counted_apart(keep: bool) -> int:
    """The same in a process of its own, as the setting is for good."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            torch.set_num_threads(1)
            faults = faults_of_arrays() if keep_freed_memory(keep) else -1
            os.write(writing, str(faults).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        return int(pipe.read())


def test_freed_arrays_are_used_again() -> None:
    if (given_back := counted_apart(False)) == -1:
        pytest.skip("this C library has no mallopt")
    assert given_back > 8 * PAGES // 1000  # or a 512th of that, in pages of 2 MiB
    assert counted_apart(True) < given_back // 10


def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert not keep_freed_memory()
