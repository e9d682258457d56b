"""The benchmark of a search step runs and says what it measured."""

from __future__ import annotations

from pathlib import Path

from hadaptive.search.bench import search_ratio
from hadaptive.space import Space


def test_the_ratio_of_a_search_step_to_plain_steps(space: Space, digits: Path) -> None:
    found = search_ratio(space, digits, image_size=32, threads=1, paths=2, batch_size=8)
    assert found["paths"] == 2 and found["search_step_ms"] > 0
    assert 0.2 < found["ratio"] < 5, "far from the 1.3 that is allowed, so that a busy machine does not matter"
