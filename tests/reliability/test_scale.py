"""Three thousand Runs are planned in seconds: the time to plan grows with the number of Runs and no faster."""

from __future__ import annotations

import resource

import pytest

from tests.workflow.conftest import Project


def planned(project: Project, seeds: int) -> tuple[int, float]:
    """Runs at so many seeds, and the processor's seconds to plan them."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = project.run(f"snakemake -n --quiet rules all --config scales='{{demo: {{seeds: {list(range(seeds))}}}}}'")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    jobs = int(output.split("train ")[1].split()[0])
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{jobs} Runs planned in {seconds:.1f} s of one core, {after.ru_maxrss / 1024:.0f} MiB")
    return jobs, seconds


@pytest.mark.slow
def test_three_thousand_runs_take_no_longer_each_than_half_of_them(fresh: Project) -> None:
    (few, quickly), (many, slowly) = planned(fresh, 20), planned(fresh, 39)
    assert many >= 3000 and slowly / many < 1.5 * quickly / few
