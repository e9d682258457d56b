"""Every model of Table 7 learns at scale demo: it ends above twice chance, for three seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from hadaptive import config
from hadaptive.run import Classification
from hadaptive.study import Study
from hadaptive.train import classify, work

STUDY = Study(config.load(Path(__file__).resolve().parents[2] / "params.yaml", given={"scale": "demo"}))
RUNS = [
    run.model_copy(update={"seed": seed})
    for model, entry in STUDY.params.zoo.items()
    if entry.group
    for run in [STUDY.runs[f"cifar100/{model}/{entry.variant}/seed0"]]
    for seed in (0, 1, 2)
]
ALWAYS = ("cifar100/hadaptive_net_s/dysoft/seed0", "cifar100/shufflenet_v2_x1_0/base/seed0")


@pytest.mark.parametrize(
    "run", [pytest.param(run, id=run.id, marks=() if run.id in ALWAYS else pytest.mark.slow) for run in RUNS]
)
def test_a_model_ends_above_twice_chance(run: Classification, digits: Path, tmp_path: Path) -> None:
    record = work.once(
        classify.train, run, digits, tmp_path / "out", tmp_path / "work", device="cpu", threads=1, code=""
    )
    top1 = record.at("metrics", "top1_last")
    print(f"{run.id}: {top1:.1f}%")
    assert top1 > 20, "of 10 classes"
