"""The bundle and the PDF in the real Snakefile."""

from __future__ import annotations

from tests.workflow.conftest import Project


def test_the_page_is_part_of_all_and_the_pdf_is_made_on_request(fresh: Project) -> None:
    everything = fresh.planned("")
    assert everything["bundle"] == everything["claims"] == 1 and "pdf" not in everything
    asked = fresh.planned("paper_tables/paper.pdf")
    assert asked["pdf"] == 1 and "bundle" not in asked and asked["table"] == everything["table"]
