"""Figures 8 and 9 through the real Snakefile: what they need, on photos of one's own, and what a bad photo says."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from tests.workflow.conftest import SMALL, Project

FIGURES = "paper_tables/figure8.pdf paper_tables/figure9.pdf"


def with_images(images: str) -> str:
    return f"{SMALL} explain='{{images: {images}}}'"


def test_figures_need_both_nets_and_a_photo_of_one_s_own_trains_nothing_more(project: Project) -> None:
    assert project.planned(FIGURES) == {"train": 2, "measure": 3, "figure": 2}  # all_ghost; ACH is there already
    (project.folder / "my photos").mkdir()
    Image.new("RGB", (40, 30), "red").save(project.folder / "my photos/red.png")
    assert project.planned(FIGURES, with_images("my photos")) == {"train": 2, "measure": 2, "figure": 2}
    assert "explain.images: no image file gone.png" in project.snakemake(FIGURES, with_images("gone.png"), ok=False)


@pytest.mark.slow
def test_figures_from_training_to_picture(project: Project) -> None:
    project.snakemake(FIGURES)
    record = json.loads((project.folder / "results/demo/explain/flower/record.json").read_text())
    assert [(net["variant"], net["seed"]) for net in record["metrics"]["nets"]] == [
        ("all_ghost", 0),
        ("all_ghost", 1),
        ("dysoft", 0),
        ("dysoft", 1),
    ]
    for name in ("figure8", "figure9"):
        assert "Demonstration" in (project.folder / f"paper_tables/{name}.txt").read_text()
    assert project.planned(FIGURES) == {}
    (project.folder / "broken.jpg").write_text("no photo")
    said = project.snakemake(FIGURES, with_images("broken.jpg"), ok=False)
    assert "hadaptive: broken.jpg cannot be read as an image" in said
