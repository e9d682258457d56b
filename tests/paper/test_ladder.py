"""The figure of accuracy against budget: from records of several scales, with intervals where noise is known."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from hadaptive import config
from hadaptive.paper.figures import figure_ladder, render_figure
from hadaptive.paper.spec import FigureSpec, OtherScale, records_needed
from hadaptive.study import Study
from tests.records import put

ROOT = Path(__file__).resolve().parents[2]
LABELS = {"hadaptive_net_s/dysoft": "softsign", "hadaptive_net_s/fixed": "fixed", "starnet_s1/base": "StarNet-S1"}
IDS = tuple(f"cifar100/{line}/seed{seed}" for line in LABELS for seed in (0, 1))
SPEC = FigureSpec(
    figure="figure_ladder",
    scale="cpu",
    about="CIFAR-100",
    records=IDS,
    labels=LABELS,
    others=(OtherScale(scale="cpu_x3", records=IDS, reference=IDS[:2] + IDS[4:5]),),
)


def trained(folder: Path, scale: str, record_id: str, top1: float) -> None:
    _, model, variant, seed = record_id.split("/")
    recipe = {"epochs": 6 if scale == "cpu" else 7}
    run = {
        "task": "cifar100",
        "model": model,
        "variant": variant,
        "seed": int(seed[4:]),
        "dataset": "cifar100",
        "recipe": recipe,
    }
    data = {"train_examples": 20_000 if scale == "cpu" else 50_000, "test_examples": 10_000}
    put(
        folder,
        {
            "id": record_id,
            "scale": scale,
            "kind": "training",
            "run": run,
            "data": data,
            "metrics": {"top1_last": top1},
        },
    )


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Softsign 26 and 40, fixed 29 at the small budget alone, StarNet-S1 35 and 50 with one seed at the large one."""
    folder = tmp_path / "results"
    for n, record_id in enumerate(IDS):
        trained(folder, "cpu", record_id, (26.0, 26.2, 29.0, 29.4, 35.0, 35.2)[n])
    for record_id, top1 in zip((*IDS[:2], IDS[4]), (40.0, 40.4, 50.0), strict=True):
        trained(folder / "reference", "cpu_x3", record_id, top1)
    return folder


def rows(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (folder / "figure_ladder.csv").open() as file:
        return {(row["scale"], row["label"]): row for row in csv.DictReader(file)}


def test_each_budget_is_compared_with_the_first_line(results: Path, tmp_path: Path) -> None:
    render_figure(SPEC, results, tmp_path)
    found = rows(tmp_path)
    assert {row["passes"] for (scale, _), row in found.items() if scale == "cpu"} == {"120000"}
    assert {row["passes"] for (scale, _), row in found.items() if scale == "cpu_x3"} == {"350000"}
    fixed = found["cpu", "fixed"]
    assert float(fixed["difference"]) == pytest.approx(3.1) and float(fixed["low"]) < 3.1 < float(fixed["high"])
    assert found["cpu_x3", "fixed"]["reason"] == "not run" and found["cpu_x3", "fixed"]["top1"] == ""
    largest = found["cpu_x3", "StarNet-S1"]
    assert largest["seeds"] == "1" and float(largest["difference"]) == pytest.approx(9.8)
    text = (tmp_path / "figure_ladder.txt").read_text()
    assert "350,000 passes (scale cpu_x3): softsign 40.20%, StarNet-S1 50.00%" in text
    assert "Not every seed was run: cpu_x3: 2 models" in text


def test_of_one_seed_each_no_interval_is_drawn(results: Path) -> None:
    one = SPEC.model_copy(update={"records": IDS[::2], "others": ()})
    drawn = figure_ladder.draw(one, results)
    assert [row[7:10] for row in drawn.rows[1:]] == [["", "", ""], ["3", "", ""], ["9", "", ""]]
    assert "whose noise is not known" in drawn.figure.get_suptitle()


def test_where_nothing_was_run_it_says_so(tmp_path: Path) -> None:
    drawn = figure_ladder.draw(SPEC, tmp_path)
    assert "Empty, not measured: not run" in drawn.alt and len(drawn.figure.axes) == 0


def test_a_scale_shows_reference_records_of_the_others_and_trains_none_of_them() -> None:
    spec = Study(config.load(ROOT / "params.yaml", {"scale": "gpu"})).figures["figure_ladder"]
    assert [other.scale for other in spec.others] == ["gpu_100", "gpu_200"]
    assert {path.parts[1] for path in records_needed(spec)} == {"gpu"}
    assert Study(config.load(ROOT / "params.yaml")).figures["figure_ladder"].records == ()
