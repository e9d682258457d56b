"""The search through the real Snakefile: a found net waits for its searches and is trained like any other."""

from __future__ import annotations

import json

import pytest

from tests.workflow.conftest import Project

TINY = (
    "models=hadaptive_net_found scales='{demo: {tasks: {cifar100: {recipe: {epochs: 1, image_size: 32, "
    "train_examples: 64}}, search: {seeds: [0], recipe: {epochs: 1, train_examples: 64}}}}}'"
)
NET = "results/demo/cifar100/hadaptive_net_found/table11/seed0/record.json"
WORDS = f"{NET} paper_tables/table11.tex"


@pytest.mark.slow
def test_what_is_searched_is_trained(fresh: Project) -> None:
    assert fresh.planned(WORDS, TINY) == {"data": 1, "train": 2, "table": 1}
    fresh.snakemake(WORDS, TINY)
    search, net = (
        json.loads((fresh.folder / path).read_text()) for path in ("results/demo/search/table11/seed0/record.json", NET)
    )
    ops = [row["op"] for row in net["run"]["options"]["rows"]]
    assert ops == [search["run"]["space"]["candidates"][name]["op"] for name in search["metrics"]["chosen"]]
    assert net["status"] == "done" and net["run"]["options"]["found_by"] == [search["id"]]
    assert "One seed" in (fresh.folder / "paper_tables/table11.md").read_text()
    assert fresh.planned(WORDS, TINY) == {}
    longer = TINY.replace("recipe: {epochs: 1, train", "recipe: {epochs: 2, train")
    assert fresh.planned(WORDS, longer) == {"train": 2, "table": 1}
