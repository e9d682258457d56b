"""A fresh project shows the records that came with it: at once, and as the README prints them."""

from __future__ import annotations

import shutil

from tests.workflow.conftest import ROOT, Project


def test_table_7_at_scale_cpu_is_that_of_the_readme(fresh: Project) -> None:
    shutil.copytree(ROOT / "results/reference", fresh.folder / "results/reference")
    said = fresh.run("snakemake --cores 8 paper_tables/table7.tex --config scale=cpu")
    assert "1 of 1 steps (100%) done" in said, "the table is the only job"
    assert "reference=never" in said, "how to run it here"
    shown = [line for line in (fresh.folder / "paper_tables/table7.md").read_text().splitlines() if line[:1] == "|"]
    assert shown and "\n".join(shown) in (ROOT / "README.md").read_text()
