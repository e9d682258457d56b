"""Shared test set-up: one thread a process, so that two workers on two cores do not fight, and results repeat."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# a slow or busy machine is no failure, and every machine tries the same examples
settings.register_profile("anywhere", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("anywhere")

LONG = ("tests/workflow/test_dvc", "tests/workflow/test_mistakes", "tests/workflow/", "tests/kernels/test_interpreter")


@pytest.fixture(autouse=True)
def _one_thread_and_seeded() -> None:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that the two workers end together."""
    items.sort(key=lambda item: next((n for n, name in enumerate(LONG) if item.nodeid.startswith(name)), len(LONG)))
