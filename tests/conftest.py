"""Shared test set-up: one thread a process, so that two workers on two cores do not fight, and results repeat."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _one_thread_and_seeded() -> None:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
