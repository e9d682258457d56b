"""A fresh project shows its reference records: at once, and as docs/results.md prints them."""

from __future__ import annotations

import shutil

from tests.workflow.conftest import ROOT, Project


def test_table_7_at_scale_cpu_is_that_of_the_docs(fresh: Project) -> None:
    shutil.copytree(ROOT / "results/reference", fresh.folder / "results/reference")
    said = fresh.run("snakemake --cores 8 paper_tables/table7.tex --config scale=cpu")
    assert "1 of 1 steps (100%) done" in said, "the table is the only job"
    assert "have no record with these settings; add `reference=first` to run them (" in said
    assert (fresh.folder / "paper_tables/cpu/table7.tex").is_file()
    shown = [line for line in (fresh.folder / "paper_tables/table7.md").read_text().splitlines() if line[:1] == "|"]
    assert shown and "\n".join(shown) in (ROOT / "docs/results.md").read_text()
