"""Three thousand Runs are planned in seconds."""

from __future__ import annotations

import resource

import pytest

from tests.workflow.conftest import Project


@pytest.mark.slow
def test_three_thousand_runs_are_planned_in_seconds(fresh: Project) -> None:
    fresh.edit("params.yaml", "    stand_in: true\n    seeds: [0]", f"    stand_in: true\n    seeds: {list(range(39))}")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = fresh.run("snakemake -n --quiet rules all")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    jobs = int(output.split("train ")[1].split()[0])
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{jobs} Runs planned in {seconds:.1f} s of one core, {after.ru_maxrss / 1024:.0f} MiB")
    assert jobs >= 3000 and seconds < 12
